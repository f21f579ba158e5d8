"""The one place where bytes become pixels.

Every outcome has a name: a file that Pillow cannot decode is a row with a status, never a crash. (Damage inside a
well-formed stream, e.g. an end marker set too early, is seen by no decoder: such pixels are Pillow's.) Knows no model,
no path and no store.

The pixels are those of Pillow's `convert("RGB")`, as torchvision's folder datasets, timm and open_clip read them:

* EXIF orientation and colour profiles are ignored; of an animation the first frame is taken.
* 8-bit palettes are looked up, transparency is dropped (the colour beneath it stays), CMYK goes through Pillow's
  formula without a profile.
* 16-bit grey values are clipped at 255, not divided by 256; 16-bit colour PNGs keep the high byte.
"""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from PIL import Image, ImageFile, UnidentifiedImageError

Status = Literal["ok", "empty", "decode_error", "truncated", "too_large", "unsupported"]

MAX_PIXELS: Final = 178_956_970
"""Most pixels that are decoded: 512 MiB as RGB, the size at which Pillow refuses a file by default."""

MAX_BYTES: Final = 256 * 2**20
"""Most encoded bytes that are looked at."""

FORMATS: Final = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
"""What is decoded. Short on purpose: a parser that no data set needs is only a way in (EPS starts Ghostscript)."""

OPS: Final = ({"op": "ignore-exif"}, {"op": "convert", "mode": "RGB"})
"""What `decode` does to every image, as the head of a preprocessing description."""

# What Pillow raises on malformed files; its parsers let low-level errors through. MemoryError is not among them: below
# MAX_PIXELS it says something about the machine, and must not be recorded as a property of the file.
_MALFORMED: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
)

_CUT_SHORT: Final = re.compile(r"truncat|end of file|not enough image data|image file is too short", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a file say, without any pixel decoded.

    width, height
        In pixels; 0 where the header could not be read.
    format
        Pillow's name of the format; "" where none was recognised.
    """

    format: str
    width: int
    height: int
    status: Status
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image in RGB, or the reason why there is none.

    image
        8-bit RGB, fully loaded; None unless `status` is "ok".
    detail
        One line for people; "" if ok.
    """

    image: Image.Image | None
    status: Status
    detail: str
    format: str
    width: int
    height: int


def header(data: bytes) -> Header:
    """Read format and size of an encoded image; pixels stay undecoded, so that a truncated file still passes.

    Examples
    --------
    >>> header(b"").status
    'empty'
    >>> header(b"no image at all").status
    'decode_error'
    """
    if (refused := _refuse_bytes(data)) is not None:
        return refused
    with _quiet():
        opened = _open(data)
    if isinstance(opened, Header):
        return opened
    with opened:
        return _describe(opened)


def decode(data: bytes) -> Decoded:
    """Decode an encoded image to RGB.

    Raises
    ------
    RuntimeError
        When another library has set Pillow's `LOAD_TRUNCATED_IMAGES`: half a photograph would pass for a whole one.
    MemoryError
        When the machine lacks memory for an image within the limits.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> Image.new("L", (3, 2), 7).save(buffer, "PNG")
    >>> decoded = decode(buffer.getvalue())
    >>> decoded.status, decoded.format, decoded.image.size, decoded.image.getpixel((0, 0))
    ('ok', 'PNG', (3, 2), (7, 7, 7))
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set; expected False, so that damage is seen")
    if (refused := _refuse_bytes(data)) is not None:
        return _without_image(refused)
    with _quiet():
        opened = _open(data)
        if isinstance(opened, Header):
            return _without_image(opened)
        with opened:
            found = _describe(opened)
            if found.status != "ok":
                return _without_image(found)
            try:
                image = opened.convert("RGB")
            except _MALFORMED as error:
                status, detail = _failure(error)
                return _without_image(Header(found.format, found.width, found.height, status, detail))
    return Decoded(image, "ok", "", found.format, found.width, found.height)


def _without_image(found: Header) -> Decoded:
    return Decoded(None, found.status, found.detail, found.format, found.width, found.height)


def _refuse_bytes(data: bytes) -> Header | None:
    if not data:
        return Header("", 0, 0, "empty", "the file has no bytes")
    if len(data) > MAX_BYTES:
        return Header("", 0, 0, "too_large", f"{len(data)} encoded bytes; the limit is {MAX_BYTES}")
    return None


def _open(data: bytes) -> ImageFile.ImageFile | Header:
    try:
        return Image.open(io.BytesIO(data), formats=_available())
    except Image.DecompressionBombError as error:
        return Header("", 0, 0, "too_large", _line(error))
    except UnidentifiedImageError:
        if (other := _other_format(data)) is not None:
            return Header(other, 0, 0, "unsupported", f"{other} is not decoded; convert it to PNG")
        return Header("", 0, 0, "decode_error", f"no image of a known format ({', '.join(FORMATS)})")
    except _MALFORMED as error:
        status, detail = _failure(error)
        return Header("", 0, 0, status, detail)


def _describe(image: ImageFile.ImageFile) -> Header:
    width, height = image.size
    name = image.format or ""
    if width * height > MAX_PIXELS:
        return Header(name, width, height, "too_large", f"{width} x {height} pixels; the limit is {MAX_PIXELS}")
    if width < 1 or height < 1:
        return Header(name, width, height, "decode_error", f"{width} x {height} pixels")
    return Header(name, width, height, "ok")


def _failure(error: BaseException) -> tuple[Status, str]:
    detail = _line(error)
    if isinstance(error, EOFError) or _CUT_SHORT.search(detail):
        return "truncated", detail
    if "not available" in detail:
        return "unsupported", detail
    return "decode_error", detail


def _line(error: BaseException) -> str:
    # Pillow prints the BytesIO with its memory address; rows of two runs have to be equal.
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text}"[:200]


@cache
def _available() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _other_format(data: bytes) -> str | None:
    """Name a format that Pillow would know and we do not decode; asks for its signature only."""
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "HEIF"
    for name, (_, accept) in sorted(Image.OPEN.items()):
        if name in FORMATS or accept is None:
            continue
        try:
            known = accept(data[:16]) is True
        except _MALFORMED:
            continue
        if known:
            return name
    return None


_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filters = warnings.catch_warnings()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of Pillow's own modules, whatever number of threads decode.

    `warnings.catch_warnings` swaps a list of the whole process: the first thread in installs it and the last one out
    puts the old one back, else a thread would restore what another one is still using.
    """
    global _quiet_depth, _quiet_filters
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_filters = warnings.catch_warnings()
            _quiet_filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                _quiet_filters.__exit__(None, None, None)
