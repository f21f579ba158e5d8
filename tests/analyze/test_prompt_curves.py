"""Subsets of prompt sets: their sizes, their order, and what is refused."""

from __future__ import annotations

import pytest

from analyze.prompt_curves import subsets
from manifests.catalogue import load
from manifests.errors import UsageError
from manifests.schema import PromptSet

CATALOGUE = load()
WHOLE = CATALOGUE.prompts["openai-80"]


def test_sizes_draws_and_order() -> None:
    drawn = subsets(WHOLE, [1, 5, 80], draws=3, seed=0)
    assert [count for count, _ in drawn.values()] == [1, 1, 1, 5, 5, 5, 80]
    place = {template: at for at, template in enumerate(WHOLE.templates)}
    for count, one in drawn.values():
        places = [place[template] for template in one.templates]
        assert len(places) == count
        assert places == sorted(set(places))
    assert drawn["openai-80.80-of-80.draw-0"][1].templates == WHOLE.templates


def test_a_seed_gives_the_same_subsets_and_another_gives_others() -> None:
    assert subsets(WHOLE, [5], 4, seed=1) == subsets(WHOLE, [5], 4, seed=1)
    one, other = (subsets(WHOLE, [5], 4, seed=seed) for seed in (1, 2))
    assert [value[1].templates for value in one.values()] != [value[1].templates for value in other.values()]


@pytest.mark.parametrize(
    ("counts", "draws", "said"), [([0], 1, "--counts 0"), ([81], 1, "from 1 to 80"), ([1], 0, "--draws 0")]
)
def test_sizes_that_do_not_exist_are_refused(counts: list[int], draws: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        subsets(WHOLE, counts, draws, seed=0)


def test_sets_by_class_have_no_subsets() -> None:
    by_class = PromptSet(id="mine", title="t", source="s", per_class={"cat": ("a cat",)})
    with pytest.raises(UsageError, match="templates alone"):
        subsets(by_class, [1], 1, seed=0)
