"""Every rule of the table in translate.pictures, pixel by pixel; refusals; atomic writing."""

from __future__ import annotations

import io
import os
import random
import struct
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from translate import pictures
from translate.errors import DataError, MachineError, UsageError
from translate.pictures import (
    as_channels,
    list_pictures,
    picture_info,
    probe_picture,
    read_picture,
    shown,
    write_picture,
)

RGB = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [255, 255, 255], [0, 0, 0]]], np.uint8)
ALPHA = np.array([[0, 128, 255], [1, 254, 64]], np.uint8)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[:, :, None] / 255.0
    return np.floor(colour * share + 255 * (1 - share) + 0.5).astype(np.uint8)


def test_bilevel_becomes_0_and_255(tmp_path: Path) -> None:
    bits = np.array([[0, 1], [1, 0]], np.uint8) * 255
    path = save(tmp_path / "a.png", Image.fromarray(bits).convert("1"))
    assert np.array_equal(read_picture(path)[:, :, 0], bits)


def test_grey_stays(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = save(tmp_path / "a.png", Image.fromarray(grey))
    assert np.array_equal(read_picture(path)[:, :, 0], grey)


def test_rgb_stays_and_channels_are_converted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(RGB))
    assert np.array_equal(read_picture(path), RGB)
    assert read_picture(path, channels=1)[:, :, 0].tolist() == [[76, 150, 29], [18, 255, 0]]
    four = read_picture(path, channels=4)
    assert np.array_equal(four[:, :, :3], RGB)
    assert (four[:, :, 3] == 255).all()


def test_luma_is_that_of_pillow_for_every_colour_of_a_grid() -> None:
    axis = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(len(axis), -1, 3)
    assert np.array_equal(as_channels(colours, 1)[:, :, 0], np.asarray(Image.fromarray(colours).convert("L")))


def test_grey_is_repeated_and_16_bits_stay(tmp_path: Path) -> None:
    deep = np.array([[0, 255, 256], [1000, 40000, 65535]], np.uint16)
    path = save(tmp_path / "a.png", Image.fromarray(deep))
    assert np.array_equal(read_picture(path, channels=3), np.repeat(deep[:, :, None], 3, axis=2))
    assert read_picture(path, channels=4)[0, 0].tolist() == [0, 0, 0, 65535]


def test_palette_is_expanded(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    image.putpalette([255, 0, 0, 1, 2, 3, 9, 8, 7])
    path = save(tmp_path / "a.png", image)
    assert read_picture(path).tolist() == [[[255, 0, 0], [1, 2, 3]], [[9, 8, 7], [1, 2, 3]]]


def test_palette_with_transparency_is_composited_over_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([255, 0, 0, 1, 2, 3])
    path = save(tmp_path / "a.png", image, transparency=1)
    assert read_picture(path).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    assert read_picture(path, channels=4).tolist() == [[[255, 0, 0, 255], [1, 2, 3, 0]]]


def test_alpha_is_composited_over_white_or_kept(tmp_path: Path) -> None:
    both = np.dstack([RGB, ALPHA])
    path = save(tmp_path / "a.png", Image.fromarray(both))
    assert np.array_equal(read_picture(path), over_white(RGB, ALPHA))
    assert np.array_equal(read_picture(path, channels=4), both)
    flat = Image.fromarray(over_white(RGB, ALPHA)).convert("L")
    assert np.array_equal(read_picture(path, channels=1)[:, :, 0], np.asarray(flat))


def test_grey_with_alpha_is_composited_and_stays_grey(tmp_path: Path) -> None:
    grey = np.array([[0, 100, 200], [0, 0, 0]], np.uint8)
    path = save(tmp_path / "a.png", Image.merge("LA", (Image.fromarray(grey), Image.fromarray(ALPHA))))
    assert np.array_equal(read_picture(path), over_white(grey[:, :, None], ALPHA))


@pytest.mark.parametrize(("mode", "value", "clear"), [("L", 7, 7), ("RGB", (1, 2, 3), (1, 2, 3))])
def test_a_transparent_colour_becomes_white(tmp_path: Path, mode: str, value: object, clear: object) -> None:
    path = save(tmp_path / "a.png", Image.new(mode, (2, 1), value), transparency=clear)
    assert (read_picture(path) == 255).all()
    assert read_picture(path).shape == (1, 2, 1 if mode == "L" else 3)


def test_cmyk(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    path = save(tmp_path / "a.jpg", image, quality=100)
    assert read_picture(path)[4, 4].tolist() == [0, 255, 255]


def test_lab(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", Image.new("LAB", (2, 2), (128, 128, 128)))
    red, green, blue = read_picture(path)[0, 0].tolist()
    assert max(red, green, blue) - min(red, green, blue) <= 3
    assert 110 <= red <= 130  # L = 50 is an sRGB grey of 119


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2", "pgm"])
def test_16_bit_grey_is_never_clipped(tmp_path: Path, suffix: str) -> None:
    deep = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(deep), **({"irreversible": False} if suffix == "jp2" else {}))
    found = read_picture(path)
    assert found.dtype == np.uint16
    assert np.array_equal(found[:, :, 0], deep)


def tiff16(values: np.ndarray, *, order: str, bits: int) -> bytes:
    """A TIFF with 16-bit storage that declares a number of bits, in either byte order."""
    height, width = values.shape
    data = values.astype(f"{order}u2").tobytes()
    entries = [(256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    entries += [(278, 3, height), (279, 4, len(data))]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(data))
    table = b"".join(
        struct.pack(order + "HHI", tag, kind, 1)
        + struct.pack(order + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value]))
        for tag, kind, value in entries
    )
    return head + data + struct.pack(order + "H", len(entries)) + table + bytes(4)


def test_16_bits_in_either_byte_order(tmp_path: Path) -> None:
    deep = np.array([[0, 255, 256], [4095, 40000, 65535]], np.uint16)
    for order in "<>":
        path = tmp_path / f"{ord(order)}.tif"
        path.write_bytes(tiff16(deep, order=order, bits=16))
        assert np.array_equal(read_picture(path)[:, :, 0], deep)


def test_12_bits_that_are_declared_are_scaled_to_full_white(tmp_path: Path) -> None:
    deep = np.array([[0, 1, 4095]], np.uint16)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff16(deep, order="<", bits=16))
    assert read_picture(path)[0, :, 0].tolist() == [0, 1, 4095]
    packed = tmp_path / "b.tif"
    packed.write_bytes(tiff16(np.array([[0x0000, 0xFF10, 0x00FF]], np.uint16), order="<", bits=12))
    with Image.open(packed) as image:
        stored = np.asarray(image)[0].astype(int)
    assert read_picture(packed)[0, :, 0].tolist() == [value * 65535 // 4095 for value in stored]
    assert stored.max() > 0


def test_32_bit_grey_is_kept_within_16_bits_and_refused_beyond(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", Image.fromarray(np.array([[0, 65535]], np.int32)))
    assert read_picture(path).ravel().tolist() == [0, 65535]
    path = save(tmp_path / "b.tif", Image.fromarray(np.array([[0, 65536]], np.int32)))
    with pytest.raises(DataError, match="beyond 16 bits"):
        read_picture(path)


def test_floating_point_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", Image.fromarray(np.array([[0.5]], np.float32)))
    with pytest.raises(DataError, match="no stated white"):
        read_picture(path)


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # the inverse of what viewers do
    stored = Image.fromarray(upright)
    stored = stored if back is None else stored.transpose(Image.Transpose(back))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", stored, exif=exif, **options)
    assert np.array_equal(read_picture(path), upright)
    assert probe_picture(path) == (2, 3, 3)


@pytest.mark.parametrize("suffix", ["gif", "tif", "png"])
def test_the_first_frame_is_read(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    path = save(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:])
    assert (read_picture(path) == (255, 0, 0)).all()


# --- what others made ---


def expected(folder: Path) -> list[dict[str, str]]:
    import csv

    with (folder / "EXPECTED.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_sample_is_read_or_refused_by_name(shared_data: Path) -> None:
    folder = shared_data / "formats"
    rows = expected(folder)
    assert len(rows) > 60
    for row in rows:
        path = folder / row["file"]
        if row["pillow_result"] != "ok":
            with pytest.raises(DataError) as caught:
                read_picture(path)
            assert path.name in str(caught.value)
            continue
        found = read_picture(path)
        width, height = map(int, row["upright_size"].split("x"))
        assert found.shape[:2] == (height, width), row["file"]
        assert probe_picture(path) == found.shape, row["file"]
        deep = row["mode"] in {"I", "I;16"} or path.name in {"rgb16.png", "rgb16.tiff", "rgba16.png"}
        assert found.dtype == (np.uint16 if deep else np.uint8), row["file"]
        assert picture_info(path) == (*found.shape, 16 if deep else 8), row["file"]
        for channels in (1, 3, 4):
            assert read_picture(path, channels=channels).shape == (height, width, channels)


def test_sample_pixels_against_an_independent_reading(shared_data: Path) -> None:
    folder = shared_data / "formats"

    def reference(name: str) -> Image.Image:
        with Image.open(folder / name) as image:
            image.load()
            return ImageOps.exif_transpose(image)

    for name in ["cmyk.jpg", "cmyk_plain.jpg", "lab.tif", "pal8.bmp", "palette16.png", "multipage.tiff", "hopper.avif"]:
        assert np.array_equal(read_picture(folder / name), np.asarray(reference(name).convert("RGB"))), name
    for name in ["gray16.png", "gray16.tif", "gray16.jp2", "gray16.pgm", "gray12in16.tif"]:
        assert np.array_equal(read_picture(folder / name)[:, :, 0], np.asarray(reference(name))), name
    for name in ["rgba.png", "alpha.webp", "p_trns.png", "rgb_trns.png", "rgba32.bmp", "animated.gif", "icc.png"]:
        image = np.asarray(reference(name).convert("RGBA"))
        assert np.array_equal(read_picture(folder / name), over_white(image[:, :, :3], image[:, :, 3])), name
    deep = np.asarray(reference("i16_trns.png"))
    assert np.array_equal(read_picture(folder / "i16_trns.png")[:, :, 0], np.where(deep == 255, 65535, deep))


def test_the_oriented_samples_show_the_same_upright_picture(shared_data: Path) -> None:
    folder = shared_data / "formats"
    upright = read_picture(folder / "hopper.jpg").astype(int)
    for number in range(2, 9):
        turned = read_picture(folder / "orientation" / f"jpeg_{number}.jpg").astype(int)
        assert np.abs(turned - upright).mean() < 8, number
    assert np.abs(read_picture(folder / "orientation" / "webp_6.webp").astype(int) - upright).mean() < 12


@pytest.mark.slow
def test_mutated_files_never_escape(shared_data: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    sources = [p for p in sorted((shared_data / "formats").rglob("*")) if p.is_file() and 0 < p.stat().st_size < 60_000]
    path = tmp_path / "mutant"
    refused = []
    for _ in range(10_000):
        content = bytearray(rng.choice(sources).read_bytes())
        for _ in range(rng.choice([1, 3, 20])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content[: rng.randrange(1, len(content) + 1)] if rng.random() < 0.2 else content)
        try:
            read_picture(path, max_pixels=4_000_000)
        except DataError as exc:
            refused.append(str(exc))
    assert len(refused) > 1000
    assert all("mutant" in text for text in refused)


# --- refusals ---


def test_the_header_of_a_png_is_read_without_its_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    early = save(tmp_path / "early.png", Image.new("L", (3, 2)), exif=exif)
    plain = save(tmp_path / "plain.png", Image.new("L", (3, 2)))
    content = early.read_bytes()
    start = content.index(b"eXIf") - 4
    chunk = content[start : start + 12 + struct.unpack(">I", content[start : start + 4])[0]]
    late = tmp_path / "late.png"
    late.write_bytes(content.replace(chunk, b"").replace(b"\0\0\0\0IEND", chunk + b"\0\0\0\0IEND"))
    assert picture_info(late)[:2] == read_picture(late).shape[:2] == (3, 2)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    assert picture_info(early)[:2] == (3, 2)
    assert picture_info(plain)[:2] == (2, 3)


@pytest.mark.parametrize("format", ["EPS", "PDF", "PSD", "FITS", "SVG"])
def test_other_formats_are_refused_whatever_their_suffix(tmp_path: Path, format: str) -> None:
    heads = {"EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PDF": b"%PDF-1.4\n", "PSD": b"8BPS\0\1"}
    heads |= {"FITS": b"SIMPLE  =                    T", "SVG": b"<svg/>"}
    path = tmp_path / "a.png"
    path.write_bytes(heads[format] + bytes(100))
    with pytest.raises(DataError, match="not an accepted picture") as caught:
        read_picture(path)
    assert "a.png" in str(caught.value)
    assert "JPEG 2000" in str(caught.value)


def test_nothing_but_the_allow_list_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", Image.new("RGB", (2, 2)), format="TGA")
    with Image.open(path) as image:
        assert image.format == "TGA"
    with pytest.raises(DataError, match="not an accepted picture"):
        read_picture(path)


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return png([(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")])


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (8192, 8193), (2_000_000_000, 1)])
def test_bombs_are_refused_on_their_header(
    tmp_path: Path, width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(width, height))
    with pytest.raises(DataError, match="too large"):
        read_picture(path)


def test_the_limit_is_ours(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("L", (10, 10)))
    assert read_picture(path, max_pixels=100).shape == (10, 10, 1)
    with pytest.raises(DataError, match=r"100 pixels.*limit is 99 pixels.*TRANSLATE_MAX_PIXELS"):
        read_picture(path, max_pixels=99)


def test_no_warning_at_half_of_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    path = save(tmp_path / "a.png", Image.new("L", (10, 10)))
    assert read_picture(path).shape == (10, 10, 1)


def test_pillow_warnings_are_errors_and_the_filters_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.png", Image.new("L", (1, 1)))
    code = compile("import warnings\ndef load(self): warnings.warn('odd data')", "PIL/x.py", "exec")
    space: dict[str, object] = {"__name__": "PIL.Odd"}
    exec(code, space)  # noqa: S102
    monkeypatch.setattr(Image.Image, "load", space["load"])
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", space["load"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = list(warnings.filters)
        with pytest.raises(DataError, match="odd data"):
            read_picture(path)
        assert list(warnings.filters) == before


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    os.mkfifo(path)
    found: list[BaseException] = []

    def read() -> None:
        try:
            read_picture(path)
        except DataError as exc:
            found.append(exc)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(timeout=5)
    assert len(found) == 1
    assert "pipe" in str(found[0])


def test_missing_broken_and_folder(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    for name, text in [("gone", "not there"), ("link", "not there"), ("loop", "symbolic"), ("folder", "a folder")]:
        with pytest.raises(DataError, match=text) as caught:
            read_picture(tmp_path / f"{name}.png")
        assert caught.value.exit_code == 3
        assert f"{name}.png" in str(caught.value)


def test_links_in_a_ring_are_listed_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    save(tmp_path / "c.png", Image.new("L", (1, 1)))
    assert [path.name for path in list_pictures(tmp_path)] == ["a.png", "b.png", "c.png"]
    with pytest.raises(DataError, match="symbolic links") as caught:
        read_picture(tmp_path / "a.png")
    assert caught.value.where == str(tmp_path / "a.png")


def test_another_limit_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", Image.new("L", (10, 10)))
    monkeypatch.setenv("TRANSLATE_MAX_PIXELS", "99")
    with pytest.raises(DataError, match="limit is 99 pixels"):
        read_picture(path)
    monkeypatch.setenv("TRANSLATE_MAX_PIXELS", "100")
    assert read_picture(path).shape == (10, 10, 1)
    for wrong in ("0", "-1", "many", "1e9", ""):
        monkeypatch.setenv("TRANSLATE_MAX_PIXELS", wrong)
        with pytest.raises(UsageError, match=f"must be a number of pixels .got '{wrong}'"):
            read_picture(path)


def test_what_lies_in_an_icon_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bomb(8192, 8193)
    entry = struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(content), 22)
    (tmp_path / "a.ico").write_bytes(entry + content)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    for reader in (read_picture, picture_info):
        with pytest.raises(DataError, match=r"too large \(67117056 pixels\)"):
            reader(tmp_path / "a.ico")


def test_no_file_stays_open(tmp_path: Path) -> None:
    good = save(tmp_path / "a.tif", Image.new("L", (4, 4)))
    bad = tmp_path / "b.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 damaged")
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for _ in range(5):
        read_picture(good)
        with pytest.raises(DataError):
            read_picture(bad)
    after = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    assert after == before


def test_wrong_channels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        read_picture("whatever", channels=0)
    path = save(tmp_path / "a.png", Image.fromarray(RGB))
    with pytest.raises(DataError, match="the picture has 3 channels, and 5 are wanted; only 1, 3 and 4") as caught:
        read_picture(path, channels=5)
    assert caught.value.where == str(path)


# --- listing and names ---


def test_listing(tmp_path: Path) -> None:
    for name in ["b.PNG", "a.jpg", ".hidden.png", "._a.jpg", "notes.txt", "c.tiff", "d.npy", "e.npz"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to("nowhere")
    assert [path.name for path in list_pictures(tmp_path)] == ["a.jpg", "b.PNG", "broken.png", "c.tiff", "d.npy"]
    with pytest.raises(DataError, match="cannot be listed"):
        list_pictures(tmp_path / "none")


@pytest.mark.parametrize(
    "name",
    ["naïve.png", "e\u0301.png", "🙂.png", "a b.png", "q'\".png", "n\nl.png", "-x.png", "$(x).png", b"\xff\xfe.png"],
)
def test_odd_names_work_and_can_be_printed(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / (os.fsdecode(name) if isinstance(name, bytes) else name)
    write_picture(path, RGB)
    assert np.array_equal(read_picture(path), RGB)
    path.write_bytes(b"damaged")
    with pytest.raises(DataError) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    str(caught.value).encode("utf-8")


def test_shown_escapes() -> None:
    assert shown("a\nb\udcff") == "a\\nb\\udcff"


# --- writing ---


@pytest.mark.parametrize("suffix", [".png", ".webp", ".PNG"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lossless_round_trip(tmp_path: Path, suffix: str, channels: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    picture[:, :, 3:] |= 1  # a fully transparent colour may be dropped
    write_picture(tmp_path / f"a{suffix}", picture)
    found = read_picture(tmp_path / f"a{suffix}", channels=channels)
    assert np.array_equal(found, picture)


def test_16_bits_and_two_dimensions(tmp_path: Path) -> None:
    deep = np.array([[0, 300, 65535]], np.uint16)
    write_picture(tmp_path / "a.png", deep)
    assert np.array_equal(read_picture(tmp_path / "a.png")[:, :, 0], deep)


def test_jpeg_is_close(tmp_path: Path) -> None:
    picture = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (1, 64, 3))
    write_picture(tmp_path / "a.jpeg", picture)
    assert np.abs(read_picture(tmp_path / "a.jpeg").astype(int) - picture).max() <= 4


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("a.gif", RGB, "not written as '.gif'"),
        ("a.jpg", np.dstack([RGB, ALPHA]), "alpha"),
        ("a.webp", ALPHA.astype(np.uint16), "16 bits"),
        ("a.jpg", RGB.astype(np.uint16), "16 bits"),
        ("a.png", RGB[:, :, :2], "PNG cannot hold 2 channels"),
        ("a.png", RGB / np.float32(255), "floating-point"),
    ],
)
def test_what_a_format_cannot_hold(tmp_path: Path, name: str, array: np.ndarray, text: str) -> None:
    with pytest.raises(DataError, match=text):
        write_picture(tmp_path / name, array)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("array", [RGB.astype(np.float64), RGB[0, 0], RGB[:0], RGB.astype(np.int32), RGB[None]])
def test_not_a_picture(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not a picture"):
        write_picture(tmp_path / "a.png", array)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write_picture(path, RGB)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MachineError, match=r"No space left.*bytes needed.*free") as caught:
        write_picture(path, 255 - RGB)
    assert caught.value.exit_code == 6
    assert "a.png" in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert np.array_equal(read_picture(path), RGB)


def test_writing_where_nothing_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path in [tmp_path / "none" / "a.png", tmp_path / "file" / "a.png", tmp_path / "folder.png"]:
        with pytest.raises(MachineError):
            write_picture(path, RGB)


def test_the_longest_name(tmp_path: Path) -> None:
    write_picture(tmp_path / ("x" * 251 + ".png"), RGB)


def test_it_needs_neither_torch_nor_other_decoders() -> None:
    import subprocess

    unwanted = "{'torch', 'cv2', 'albumentations', 'PIL.EpsImagePlugin'}"
    code = f"import sys, translate.pictures; sys.exit(bool({unwanted} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_icons_that_declare_another_size(tmp_path: Path) -> None:
    inner = io.BytesIO()
    Image.new("RGB", (300, 300)).save(inner, format="PNG")
    head = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner.getvalue()), 22)
    path = tmp_path / "a.ico"
    path.write_bytes(head + inner.getvalue())
    with pytest.raises(DataError):
        read_picture(path, max_pixels=1000)


def test_the_rules_are_stated() -> None:
    for mode in [
        "bilevel",
        "P (palette)",
        "LA, RGBA",
        "CMYK",
        "LAB",
        "I;16",
        "F (32-bit float)",
        "12-bit",
        "first frame",
    ]:
        assert mode in (pictures.__doc__ or "")
