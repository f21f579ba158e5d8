"""Out-of-distribution sets: images without a label. A folder's name is kept as `ood_class` and is never a label."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.errors import UsageError

from .annotation_file import annotation
from .entries import Ask, Entry, Found
from .tree import absent, files_of, images, parent, positions, some_images

HUANG = {"inaturalist": "iNaturalist", "sun": "SUN", "places": "Places"}
"""Dataset id to the folder of Huang and Li's archive."""

NINCO_FOLDER = "NINCO_OOD_classes"


def read_ood_folder(ask: Ask) -> Iterator[Found]:
    """Yield every image; the folder it lies in is its `ood_class`.

    ImageNet-O's folders are the classes that a ResNet-50 confuses its images with: truth about the classifier, not
    about the images.
    """
    files = files_of(ask, "ood-folder")
    leave_out = () if ask.manifest is None else ask.manifest.leave_out
    yield from files.refused
    for at, key in images(files):
        if (folder := parent(key)) not in leave_out:
            yield Entry(key, files.place(at), {}, {"ood_class": folder} if folder else {})


def read_large_scale(ask: Ask) -> Iterator[Found]:
    """Yield the images of one of Huang and Li's sets: a single folder `images`, whose name is no class.

    Raises
    ------
    UsageError
        When images lie elsewhere, or in the folder of another of the three sets.
    """
    files = files_of(ask, "large-scale-ood")
    own = HUANG.get(ask.dataset.lower())
    yield from files.refused
    for at, key in images(files):
        parts = [files.name, *key.split("/")[:-1]]
        if parts[-1] != "images":
            raise UsageError(
                f"layout large-scale-ood expects one folder `images` with all files in it; "
                f"got {key!r} below {files.where}."
            )
        if own and (other := {part for part in parts if part in HUANG.values() and part != own}):
            raise UsageError(
                f"{files.where} holds {key!r} of {other.pop()}; {ask.dataset} is the folder {own}. Give it as --root."
            )
        yield Entry(key, files.place(at))


def read_textures(ask: Ask) -> Iterator[Found]:
    """Yield `images/<class>/<file>` of the Describable Textures, without the classes that the manifest leaves out."""
    files = files_of(ask, "textures")
    leave_out = () if ask.manifest is None else ask.manifest.leave_out
    yield from files.refused
    for at, key in images(files):
        if parent(key, 2) != "images" and not (files.name == "images" and key.count("/") == 1):
            raise UsageError(f"layout textures expects dtd/images/<class>/<file>; got {key!r} below {files.where}.")
        if (folder := parent(key)) not in leave_out:
            yield Entry(key, files.place(at), {}, {"ood_class": folder})


def read_ninco(ask: Ask) -> Iterator[Found]:
    """Yield `NINCO_OOD_classes/<class>/<file>`; the unit tests and subsamples of the archive are left alone."""
    files = files_of(ask, "ninco")
    yield from files.refused
    found = False
    for at, key in images(files):
        parts = [files.name, *key.split("/")]
        if len(parts) >= 3 and parts[-3] == NINCO_FOLDER:
            found = True
            yield Entry(key, files.place(at), {}, {"ood_class": parts[-2]})
    if not found:
        raise UsageError(f"layout ninco expects {NINCO_FOLDER}/<class>/<file>; {files.where} has no such folder.")


def read_openimage_o(ask: Ask) -> Iterator[Found]:
    """Yield the images that ViM's list openimage_o.txt names, from all of Open Images' test set or just them.

    The list is --annotations, or lies beside the images.
    """
    files = files_of(ask, "openimage-o")
    beside = [key for at in range(len(files)) if (key := files.key(at)).rsplit("/", 1)[-1] == "openimage_o.txt"]
    if ask.annotations is None and beside:
        data, where = files.bytes(positions(files)[beside[0]]), f"{files.where}/{beside[0]}"
    elif ask.annotations is None:
        raise UsageError(
            f"{ask.dataset} is 17,632 images of Open Images' test set; give ViM's list with "
            "--annotations openimage_o.txt."
        )
    else:
        data, where = annotation(ask, "openimage_o.txt")
    at_of: dict[str, int] = {}
    for at, key in images(files):
        at_of.setdefault(key.rsplit("/", 1)[-1], at)
    yield from files.refused
    missing = []
    for line in data.decode("utf-8-sig").splitlines():
        if not line.strip():
            continue
        # "path" or "path label"; the labels of the list are dummies.
        name = line.split()[0].rsplit("/", 1)[-1]
        if (found := at_of.get(name)) is None:
            missing.append(name)
        else:
            yield Entry(files.key(found), files.place(found))
    yield from absent(missing, where, files)


def fits_large_scale(ask: Ask) -> bool:
    """Whether all images lie in one folder called images."""
    if ask.files is None:
        return False
    return all((parent(key) or ask.files.name) == "images" for key in some_images(ask.files))


def fits_textures(ask: Ask) -> bool:
    """Whether images lie in class folders below `images`."""
    if ask.files is None:
        return False
    return all((parent(key, 2) or ask.files.name) == "images" for key in some_images(ask.files))


def fits_ninco(ask: Ask) -> bool:
    """Whether the benchmark's folder is there."""
    if ask.files is None:
        return False
    return any(NINCO_FOLDER in (ask.files.name, *key.split("/")) for key in some_images(ask.files))


def fits_openimage_o(ask: Ask) -> bool:
    """Whether the list is there."""
    if ask.files is None:
        return False
    keys = (ask.files.key(at) for at in range(len(ask.files)))
    return ask.annotations is not None or any(key.rsplit("/", 1)[-1] == "openimage_o.txt" for key in keys)


def fits_ood_folder(ask: Ask) -> bool:
    """Whether images lie in folders at all."""
    return ask.files is not None and all(parent(key) for key in some_images(ask.files))
