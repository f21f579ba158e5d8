"""Questions with four options about the images of a dataset, for a language model to answer, here or elsewhere.

Every image is asked about in every order of its options, since models prefer places (the journal always shows the
right option first, which is order 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cache.records import LETTERS, Question, ask
from cache.views import View
from manifests.schema import LabelSpace

from .metrics.options import rotated
from .option_lists import OptionList

ORDERS = len(LETTERS)


def questions_of(
    view: View, space: LabelSpace, lists: Sequence[OptionList], orders: int = ORDERS
) -> Iterator[tuple[str, Question]]:
    """Yield each image's name and a question about it: list by list, order by order, images as the dataset has them.

    Parameters
    ----------
    space
        Names of the classes that lists hold.
    orders
        How many of the four orders; 1 is the journal's.
    """
    samples, images = view.table["sample"].to_list(), view.table["image_id"].to_list()
    for one in lists:
        for rotation in range(orders):
            for sample, image in zip(samples, images, strict=True):
                if sample in one.classes:
                    names = tuple(space.names[index] for index in rotated(one.classes[sample], rotation))
                    yield sample, Question(image, one.model, rotation, names, ask(names))
