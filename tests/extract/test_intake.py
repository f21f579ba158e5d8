"""Bytes to pixels: every hostile file has one named outcome, and none of them ends a run."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from extract import intake
from extract.intake import decode, header

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (40, 60, 3), np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, pixels: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


JPEG = encoded(Image.fromarray(PICTURE), "JPEG", quality=90)
PNG = encoded(Image.fromarray(PICTURE), "PNG")


def array(data: bytes) -> np.ndarray:
    decoded = decode(data)
    assert decoded.status == "ok", decoded.detail
    assert decoded.image is not None
    assert decoded.image.mode == "RGB"
    assert decoded.image.size == (decoded.width, decoded.height)
    return np.asarray(decoded.image)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {}), ("WEBP", {"lossless": True})]
)
def test_lossless_formats_give_the_pixels_that_were_written(kind: str, options: dict[str, object]) -> None:
    data = encoded(Image.fromarray(PICTURE), kind, **options)
    assert np.array_equal(array(data), PICTURE)
    assert (header(data).format, header(data).width, header(data).height, header(data).status) == (kind, 60, 40, "ok")


def test_a_jpeg_gives_what_pillow_gives() -> None:
    assert np.array_equal(array(JPEG), np.asarray(Image.open(io.BytesIO(JPEG)).convert("RGB")))


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("no bytes", b"", "empty"),
        ("noise", bytes(RNG.integers(0, 256, 5000, np.uint8)), "decode_error"),
        ("zeros", bytes(5000), "decode_error"),
        ("text named .jpg", b"<html>404 Not Found</html>\n" * 20, "decode_error"),
        ("a JPEG segment longer than the file", JPEG[:4] + b"\xff\xff" + bytes(500), "truncated"),
        ("half a JPEG", JPEG[: len(JPEG) // 2], "truncated"),
        ("half a PNG", PNG[: len(PNG) // 2], "truncated"),
        ("a JPEG without its last 100 bytes", JPEG[:-100], "truncated"),
        ("a PNG with bad compressed data", png(4, 4, b"not zlib at all"), "decode_error"),
        ("a PNG of width 0", png(0, 4, zlib.compress(b"")), "decode_error"),
        ("30,000 x 30,000", png(30_000, 30_000, b""), "too_large"),
        ("just above the limit", png(intake.MAX_PIXELS + 1, 1, b""), "too_large"),
        ("2^31 - 1 squared", png(2**31 - 1, 2**31 - 1, b""), "too_large"),
        ("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "unsupported"),
        ("an icon", encoded(Image.fromarray(PICTURE), "ICO"), "unsupported"),
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "unsupported"),
    ],
)  # fmt: skip
def test_hostile_bytes_have_a_named_outcome(name: str, data: bytes, status: str) -> None:
    decoded = decode(data)
    assert (decoded.status, decoded.image) == (status, None), (name, decoded.detail)
    assert decoded.detail
    assert "\n" not in decoded.detail
    assert " at 0x" not in decoded.detail
    assert decode(data) == decoded, "two runs write equal rows"


def test_the_header_of_a_truncated_file_is_still_read() -> None:
    found = header(JPEG[: len(JPEG) // 2])
    assert (found.status, found.width, found.height) == ("ok", 60, 40)


def test_too_many_encoded_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_BYTES", len(PNG) - 1)
    assert decode(PNG).status == header(PNG).status == "too_large"
    monkeypatch.setattr(intake, "MAX_BYTES", len(PNG))
    assert decode(PNG).status == "ok"


def test_a_bomb_is_refused_from_its_header() -> None:
    # 30,000 x 30,000 as RGB would be 2.7 GB; the compressed rows alone are real here, 8 million zeros.
    bomb = png(30_000, 30_000, zlib.compress(bytes(8_000_000)))
    tracemalloc.start()
    try:
        found = decode(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.status == "too_large"
    assert peak < 5_000_000


def test_a_bomb_costs_a_process_no_memory() -> None:
    # Pillow's pixels are outside tracemalloc's sight, so the process is asked.
    code = """
import resource, struct, zlib
from extract.intake import decode
def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
def png(side):
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes((3 * side + 1) * side))
    return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
small, bomb = png(10), png(10)[:16] + struct.pack(">II", 30000, 30000) + png(10)[24:]
head = bomb[12:29]
bomb = bomb[:29] + struct.pack(">I", zlib.crc32(head)) + bomb[33:]
assert decode(small).status == "ok"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert decode(bomb).status == "too_large", decode(bomb)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kib = int(run.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert kib < 50_000


def test_exif_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(Image.fromarray(PICTURE), "JPEG", exif=exif)).image.size == (60, 40)
    assert {"op": "ignore-exif"} in intake.OPS


def test_cmyk_goes_through_pillows_formula() -> None:
    cmyk = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    assert abs(array(encoded(cmyk, "TIFF")).astype(int) - [0, 255, 255]).max() == 0
    jpeg = encoded(cmyk, "JPEG", quality=95)
    assert np.array_equal(array(jpeg), np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")))


def test_16_bit_grey_is_clipped_as_the_libraries_clip_it() -> None:
    rows = b"".join(b"\0" + struct.pack(">HHH", 0, 255, 40_000) for _ in range(2))
    data = png(3, 2, zlib.compress(rows), depth=16, colour=0)
    assert array(data)[0].tolist() == [[0, 0, 0], [255, 255, 255], [255, 255, 255]]
    assert np.array_equal(array(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_16_bit_colour_keeps_the_high_byte() -> None:
    rows = b"\0" + struct.pack(">HHH", 0x1234, 0xFF00, 0x00FF)
    assert array(png(1, 1, zlib.compress(rows), depth=16, colour=2)).tolist() == [[[0x12, 0xFF, 0x00]]]


def test_transparency_is_dropped_and_palettes_are_looked_up() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    assert array(encoded(palette, "PNG", transparency=b"\xff\x00")).tolist() == [[[200, 100, 50]] * 4] * 4
    assert array(encoded(Image.new("RGBA", (2, 2), (9, 8, 7, 0)), "PNG")).tolist() == [[[9, 8, 7]] * 2] * 2


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (5, 5), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert array(data)[2, 2].tolist() == [255, 0, 0]


def test_a_stream_that_ends_early_but_well_formed_gives_pillows_pixels() -> None:
    # One white row of four, then a proper end: Pillow and all that build on it read the rest as black.
    assert array(png(4, 4, zlib.compress(b"\0" + b"\xff" * 12)))[:, 0, 0].tolist() == [255, 0, 0, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
def test_one_pixel_of_every_mode(mode: str) -> None:
    assert array(encoded(Image.new(mode, (1, 1)), "PNG")).shape == (1, 1, 3)


def test_a_switched_on_truncation_flag_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(RuntimeError, match="LOAD_TRUNCATED_IMAGES"):
        decode(JPEG)


def test_pillows_warnings_stay_inside_and_other_warnings_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 60 * 40 - 1)
        with pytest.warns(Image.DecompressionBombWarning):
            Image.open(io.BytesIO(PNG)).close()
        # The suite turns warnings into errors, so a warning that leaks ends this line.
        assert decode(PNG).status == "ok"
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode(JPEG) for _ in range(30)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="ours"):
        warnings.warn("ours", UserWarning, stacklevel=1)


VARIANTS: list[tuple[str, dict[str, object]]] = [
    ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}), ("WEBP", {}), ("PPM", {}),
    ("TIFF", {}), ("TIFF", {"compression": "tiff_deflate"}),
]  # fmt: skip
SMALL = [encoded(Image.fromarray(PICTURE[:8, :8]), kind, **options) for kind, options in VARIANTS]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SMALL)))
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        # Most of what a parser believes stands in the first bytes.
        at = draw(st.one_of(st.integers(0, min(64, len(data) - 1)), st.integers(0, len(data) - 1)))
        match draw(st.sampled_from(["set", "cut", "insert", "delete"])):
            case "set":
                data[at] = draw(st.one_of(st.sampled_from([0, 1, 127, 128, 255]), st.integers(0, 255)))
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case _:
                del data[at : at + draw(st.integers(1, 8))]
    return bytes(data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_no_mutation_escapes(data: bytes) -> None:
    decoded = decode(data)
    assert (decoded.image is not None) == (decoded.status == "ok")
    found = header(data)
    assert found.status == "ok" or found.status == decoded.status
    if decoded.image is not None:
        assert decoded.image.mode == "RGB"
        assert decoded.image.size == (found.width, found.height)
