"""ImageNet-D: `{background,texture,material}/<class>/<file>`; the questions beside them are left alone."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.errors import UsageError

from .entries import Ask, Entry, Found, Value
from .tree import files_of, images

SPLITS = ("background", "texture", "material")


def read_imagenet_d(ask: Ask) -> Iterator[Found]:
    """Yield every image with its split; the folder below it is the class.

    Raises
    ------
    UsageError
        When a path is not of that shape.
    """
    files = files_of(ask, "imagenet-d")
    yield from files.refused
    keys: dict[str, dict[str, str]] = {}
    extras: dict[str, dict[str, Value]] = {split: {"split": split} for split in SPLITS}
    for at, key in images(files):
        parts = (files.name, *key.split("/"))
        if len(parts) < 3 or parts[-3] not in SPLITS:
            raise UsageError(
                f"layout imagenet-d expects {{{','.join(SPLITS)}}}/<class>/<file>; got {key!r} below {files.where}."
            )
        split, folder = parts[-3], parts[-2]
        sample = "/".join(parts[-3:])
        yield Entry(sample, files.place(at), keys.setdefault(folder, {"label": folder}), extras[split])
