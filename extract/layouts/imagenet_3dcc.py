"""ImageNet-3DCC: `<corruption>/<severity 1..5>/<wnid>/<file>`, any part of it, as folders or archives."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.errors import UsageError

from .entries import Ask, Entry, Found, Value
from .imagenet_val import WNID
from .tree import files_of, images

CORRUPTIONS = (
    *("near_focus", "far_focus", "fog_3d", "flash", "color_quant", "low_light"),
    *("xy_motion_blur", "z_motion_blur", "iso_noise", "bit_error", "h265_abr", "h265_crf"),
)


def read_imagenet_3dcc(ask: Ask) -> Iterator[Found]:
    """Yield every image with its corruption and severity; the innermost folder is the class.

    --root may be the whole set, or the folder or archive of one corruption.

    Raises
    ------
    UsageError
        When a path is not of that shape.
    """
    files = files_of(ask, "imagenet-3dcc")
    yield from files.refused
    # A million rows share these few mappings.
    keys: dict[str, dict[str, str]] = {}
    extras: dict[tuple[str, str], dict[str, Value]] = {}
    for at, key in images(files):
        parts = (files.name, *key.split("/"))
        corruption, severity, wnid = parts[-4:-1] if len(parts) >= 4 else ("", "", "")
        if corruption not in CORRUPTIONS or severity not in "12345" or len(severity) != 1 or not WNID.fullmatch(wnid):
            raise UsageError(
                f"layout imagenet-3dcc expects <corruption>/<severity 1..5>/<wnid>/<file>; "
                f"got {key!r} below {files.where}. Corruptions are {', '.join(CORRUPTIONS)}."
            )
        sample = "/".join((corruption, severity, wnid, parts[-1]))
        extra = extras.setdefault((corruption, severity), {"corruption": corruption, "severity": int(severity)})
        yield Entry(sample, files.place(at), keys.setdefault(wnid, {"wnid": wnid}), extra)
