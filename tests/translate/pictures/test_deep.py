"""Colour of 16 bits per channel, against cv2 as an independent reader and writer."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from translate.errors import DataError
from translate.pictures import as_channels, picture_info, read_picture, write_picture

BGR = [2, 1, 0, 3]


def picture(channels: int, size: tuple[int, int] = (23, 31)) -> np.ndarray:
    return np.random.default_rng(channels).integers(0, 65536, (*size, channels), dtype=np.uint16)


def as_cv2(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array[:, :, BGR[: array.shape[2]]] if array.shape[2] > 1 else array[:, :, 0])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (23, 31), (300, 2)])
def test_what_is_written_is_read_by_another_reader_and_by_ours(
    tmp_path: Path, channels: int, size: tuple[int, int]
) -> None:
    deep = picture(channels, size)
    path = tmp_path / "a.png"
    write_picture(path, deep)
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16
    assert np.array_equal(found, as_cv2(deep))
    assert np.array_equal(read_picture(path, channels=channels), deep)
    with Image.open(path) as image:
        image.verify()  # checksums


def test_smooth_pictures_compress(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:200, 0:300]
    smooth = np.repeat((rows * 200 + columns * 7)[:, :, None], 3, axis=2).astype(np.uint16)
    write_picture(tmp_path / "a.png", smooth)
    assert (tmp_path / "a.png").stat().st_size < smooth.nbytes / 50


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", []),
        ("png", [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]),
        ("tif", [cv2.IMWRITE_TIFF_COMPRESSION, 1]),
        ("tif", [cv2.IMWRITE_TIFF_COMPRESSION, 5]),
        ("tif", [cv2.IMWRITE_TIFF_COMPRESSION, 8]),
    ],
)
def test_what_another_writer_made(tmp_path: Path, suffix: str, options: list[int], channels: int) -> None:
    deep = picture(channels)
    path = tmp_path / f"a.{suffix}"
    assert cv2.imwrite(str(path), as_cv2(deep), options)
    assert np.array_equal(read_picture(path, channels=channels), deep)
    assert picture_info(path) == (23, 31, 3, 16)
    opaque = as_channels(deep, 3)
    assert np.array_equal(read_picture(path), opaque)


def test_the_samples_of_others(shared_data: Path) -> None:
    folder = shared_data / "formats"
    for name in ["rgb16.png", "rgb16.tiff", "rgba16.png"]:
        reference = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
        channels = reference.shape[2]
        found = read_picture(folder / name, channels=channels)
        assert found.dtype == np.uint16
        assert np.array_equal(found, reference[:, :, BGR[:channels]]), name


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def colour_png(rows: bytes, width: int, *more: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, 1, 16, 2, 0, 0, 0)
    return png([(b"IHDR", header), *more, (b"IDAT", zlib.compress(b"\x00" + rows)), (b"IEND", b"")])


def test_a_file_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(colour_png(struct.pack(">6H", 0, 255, 256, 1000, 40000, 65535), 2))
    assert read_picture(path).ravel().tolist() == [0, 255, 256, 1000, 40000, 65535]


def test_a_transparent_colour_counts_in_all_16_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    rows = struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0x1234, 0x5678, 0x9ABD)
    path.write_bytes(colour_png(rows, 2, (b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC))))
    assert read_picture(path).tolist() == [[[65535] * 3, [0x1234, 0x5678, 0x9ABD]]]
    assert read_picture(path, channels=4)[0, :, 3].tolist() == [0, 65535]


def test_alpha_is_composited_in_16_bits(tmp_path: Path) -> None:
    deep = picture(4)
    deep[0, 0], deep[0, 1] = (65535, 65535, 0, 65535), (1, 2, 3, 0)
    write_picture(tmp_path / "a.png", deep)
    share = deep[:, :, 3:].astype(np.float64) / 65535
    expected = np.floor(deep[:, :, :3] * share + 65535 * (1 - share) + 0.5)
    assert np.abs(read_picture(tmp_path / "a.png") - expected).max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    """As for 8 bits of the same picture, which Pillow turns."""
    deep = picture(3, (4, 5))
    shallow = (deep >> 8).astype(np.uint8)
    path, plain = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(shallow).save(plain, exif=exif)
    if suffix == "png":
        chunk = (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
        rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in deep)
        header = struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0)
        path.write_bytes(png([(b"IHDR", header), chunk, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]))
    else:
        path.write_bytes(tiff(deep, orientation))
    found = read_picture(path)
    assert np.array_equal(found >> 8, read_picture(plain))
    assert picture_info(path)[:2] == found.shape[:2]
    assert sorted(found.ravel()) == sorted(deep.ravel())


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_in_either_byte_order(tmp_path: Path, order: str) -> None:
    deep = picture(3, (4, 5))
    (tmp_path / "a.tif").write_bytes(tiff(deep, 1, order))
    assert np.array_equal(read_picture(tmp_path / "a.tif"), deep)


def tiff(deep: np.ndarray, orientation: int, order: str = "<") -> bytes:
    height, width, _ = deep.shape
    data = deep.astype(f"{order}u2").tobytes()
    bits = 8 + len(data)
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 8), (274, 3, 1, orientation), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data))]
    table = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        table += struct.pack(order + "HHI", tag, kind, count)
        table += struct.pack(order + ("HH" if short else "I"), *([value, 0] if short else [value]))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, bits + 6)
    return head + data + struct.pack(order + "3H", 16, 16, 16) + table + bytes(4)


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    write_picture(tmp_path / "good.png", picture(3))
    content = bytearray((tmp_path / "good.png").read_bytes())
    path = tmp_path / "cut.png"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cut\.png"):
        read_picture(path)


def test_the_limit_holds(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", picture(3, (10, 10)))
    with pytest.raises(DataError, match="limit is 99"):
        read_picture(tmp_path / "a.png", max_pixels=99)


def test_other_16_bit_colour_is_8_bits_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    assert cv2.imwrite(str(path), picture(3))
    assert read_picture(path).dtype == np.uint8
    assert picture_info(path).bits == 8
