"""Damaged pictures through a reader, in children: who died, who hung, and which bad file was not named."""

from __future__ import annotations

import ctypes
import faulthandler
import io
import json
import mmap
import os
import random
import resource
import signal
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from translate.errors import DataError
from translate.pictures import shown

Reader = Callable[[Path], object]

DRIVERS: Final = 2
LONGEST: Final = 30.0  # seconds for one picture; more is a hang, also on a machine with other work
_TELLING: Final = (0, 1, 0x7F, 0x80, 0xFF)
_NUMBERS: Final = (0, 1, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def sources() -> dict[str, bytes]:
    """Small pictures of every accepted format, several kinds of each."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    pixels = np.kron(coarse, np.ones((4, 4, 1), np.uint8))
    rgba, rgb, grey = Image.fromarray(pixels), Image.fromarray(pixels[:, :, :3]), Image.fromarray(pixels[:, :, 0])
    deep = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    orders: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("rgb.png", rgb, {}),
        ("rgba.png", rgba, {"exif": exif}),
        ("palette.png", rgb.quantize(16), {"transparency": 3}),
        ("grey.png", grey, {"transparency": 7}),
        ("deep.png", deep, {}),
        ("bilevel.png", grey.convert("1"), {}),
        ("rgb.jpg", rgb, {"exif": exif}),
        ("progressive.jpg", rgb, {"progressive": True}),
        ("cmyk.jpg", rgb.convert("CMYK"), {}),
        ("lossy.webp", rgb, {"quality": 60}),
        ("lossless.webp", rgba, {"lossless": True, "exif": exif}),
        ("rgb.bmp", rgb, {}),
        ("palette.bmp", rgb.quantize(16), {}),
        ("raw.tif", rgb, {}),
        ("lzw.tif", rgb, {"compression": "tiff_lzw"}),
        ("deflate.tif", deep, {"compression": "tiff_adobe_deflate"}),
        ("jpeg.tif", rgb, {"compression": "jpeg"}),
        ("fax.tif", grey.convert("1"), {"compression": "group4"}),
        ("picture.gif", rgb.quantize(16), {"transparency": 3}),
        ("picture.ppm", rgb, {}),
        ("picture.pgm", grey, {}),
        ("picture.pbm", grey.convert("1"), {}),
        ("picture.jp2", rgb, {}),
        ("stream.j2k", grey, {}),
        ("picture.ico", rgba, {"sizes": [(16, 16), (20, 20)]}),
        ("bitmap.ico", rgba, {"sizes": [(16, 16)], "bitmap_format": "bmp"}),
    ]
    if features.check("avif"):
        orders.append(("picture.avif", rgb, {}))
    found = {name: encoded(name, image, options) for name, image, options in orders}
    for kind, array in (("bytes", pixels), ("floats", (pixels / 255).astype(np.float32))):
        content = io.BytesIO()
        np.save(content, array)
        found[f"{kind}.npy"] = content.getvalue()
    return found


def encoded(name: str, image: Image.Image, options: dict[str, Any]) -> bytes:
    """The content of a file of this name."""
    content = io.BytesIO()
    kind = Image.registered_extensions()[Path(name).suffix]
    if kind == "TIFF" and "tiffinfo" not in options:
        options = {**options, "tiffinfo": ImageFileDirectory_v2()}
    image.save(content, kind, **options)
    return content.getvalue()


def mutated(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """A damaged copy: bits, bytes and numbers, cuts, repeats and parts of another file."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        # Headers are where a flipped bit means most.
        place = rng.randrange(min(len(data), 64)) if rng.random() < 0.4 else rng.randrange(len(data))
        kind = rng.randrange(7)
        if kind == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place] = rng.randrange(256)
        elif kind == 2:
            data[place] = rng.choice(_TELLING)
        elif kind == 3:
            number = rng.choice(_NUMBERS) & 0xFFFFFFFF
            data[place : place + 4] = struct.pack(rng.choice(("<I", ">I")), number)
        elif kind == 4:
            del data[place : place + rng.randrange(1, 40)]
        elif kind == 5:
            data[place:place] = data[place : place + rng.randrange(1, 40)]
        else:
            start = rng.randrange(len(other))
            data[place : place + 20] = other[start : start + 20]
        if not data:
            data = bytearray(b"\0")
    if rng.random() < 0.15:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


@dataclass
class Mutants:
    """What became of damaged pictures."""

    pictures: int = 0
    refused: int = 0
    read: int = 0
    deaths: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    formats: dict[str, int] = field(default_factory=dict)  # refused ones by format
    largest_mb: float = 0.0
    chatter: int = 0  # bytes on stderr

    def figures(self) -> dict[str, Any]:
        """For the record."""
        return {
            "pictures": self.pictures, "formats": len(self.formats), "refused": self.refused, "read": self.read,
            "deaths": len(self.deaths), "unnamed": len(self.unnamed), "largest growth MB": round(self.largest_mb),
            "bytes on stderr": self.chatter,
        }  # fmt: skip


def mutants(readers: Sequence[Reader], count: int, seed: int, folder: Path) -> Mutants:
    """Read damaged pictures in children, half of them in each of two.

    Args:
        readers: What must survive; each reads every picture.
        count: Pictures.
        seed: Of the damages.
        folder: For the files.
    """
    result = Mutants()
    originals = sources()
    share = -(-count // DRIVERS)
    drivers = [
        _Driver(readers, originals, range(n * share, min(count, (n + 1) * share)), seed, folder / str(n))
        for n in range(DRIVERS)
    ]
    for driver in drivers:
        driver.begin()
    for driver in drivers:
        driver.finish(result)
    return result


class _Driver:
    """A child that reads one picture after another; a new one takes over where one died."""

    def __init__(
        self, readers: Sequence[Reader], originals: dict[str, bytes], todo: range, seed: int, folder: Path
    ) -> None:
        self.readers, self.originals, self.seed, self.folder = readers, originals, seed, folder
        self.todo = todo
        self.now = mmap.mmap(-1, 16)  # the picture in work, and since when
        self.pid = 0
        folder.mkdir(parents=True)

    def begin(self, start: int | None = None) -> None:
        start = self.todo.start if start is None else start
        self.now[:16] = struct.pack("<qd", start, time.monotonic())
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._work(start)
            finally:
                os._exit(0)

    def finish(self, result: Mutants) -> None:
        while True:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            number, since = struct.unpack("<qd", self.now[:16])
            if not done and time.monotonic() - since < LONGEST:
                time.sleep(0.005)
                continue
            if not done:
                os.kill(self.pid, signal.SIGKILL)
                _, status = os.waitpid(self.pid, 0)
            if number >= self.todo.stop:
                break
            name = f"seed {self.seed}, picture {number}: status {status}" + ("" if done else ", hung")
            result.deaths.append(name)
            result.pictures += 1
            self.begin(number + 1)
        for file in self.folder.glob("result-*.jsonl"):
            for line in file.read_text().splitlines():
                self._add(json.loads(line), result)
        result.chatter += sum(file.stat().st_size for file in self.folder.glob("stderr-*"))

    def _add(self, found: dict[str, Any], result: Mutants) -> None:
        result.pictures += 1
        result.largest_mb = max(result.largest_mb, found["mb"])
        result.unnamed += [f"seed {self.seed}, picture {found['number']}: {text}" for text in found["unnamed"]]
        if found["refused"]:
            result.refused += 1
            result.formats[found["format"]] = result.formats.get(found["format"], 0) + 1
        else:
            result.read += 1

    def _work(self, start: int) -> None:
        errors = os.open(self.folder / f"stderr-{start}", os.O_WRONLY | os.O_CREAT)
        os.dup2(errors, 2)
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        names = sorted(self.originals)
        with (self.folder / f"result-{start}.jsonl").open("w", buffering=1) as results:
            for number in range(start, self.todo.stop):
                self.now[:16] = struct.pack("<qd", number, time.monotonic())
                rng = random.Random(f"{self.seed}/{number}")
                name = names[number % len(names)]
                content = mutated(self.originals[name], self.originals[rng.choice(names)], rng)
                path = self.folder / f"{number}-{name}"
                path.write_bytes(content)
                before = _peak()
                unnamed, refused = [], False
                for reader in self.readers:
                    text, bad = _read(reader, path)
                    refused |= bad
                    unnamed += [text] if text else []
                path.unlink()
                record = {"number": number, "format": Path(name).suffix, "refused": refused, "unnamed": unnamed}
                results.write(json.dumps({**record, "mb": _peak() - before}) + "\n")
        self.now[:16] = struct.pack("<qd", self.todo.stop, time.monotonic())


def _read(reader: Reader, path: Path) -> tuple[str, bool]:
    """What is wrong with how a reader took a file, and whether it refused it."""
    try:
        reader(path)
    except DataError as exc:
        lines = exc.block().splitlines()
        named = exc.where is not None and shown(path) in exc.where
        return ("" if named and len(lines) <= 4 else f"{exc.block()!r}"), True
    except BaseException as exc:
        return f"{type(exc).__name__}: {exc}", True
    return "", False


def _begin_peak() -> None:
    """Give free memory back and begin the peak anew: what the parent once had would hide what the child takes."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """The largest memory of this process, in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@dataclass
class Refusal:
    """How a reader took a bomb, in a child of its own."""

    name: str
    bytes: int
    refused: bool = False
    named: bool = False
    seconds: float = 0.0
    mb: float = 0.0

    @property
    def good(self) -> bool:
        """Whether it was refused by name, at once, without taking memory."""
        return self.refused and self.named and self.seconds < 0.2 and self.mb < 50


def refusal(reader: Reader, name: str, content: bytes, folder: Path) -> Refusal:
    """Give a bomb to a reader in a child."""
    path, answer = folder / name, folder / f"{name}.json"
    path.write_bytes(content)
    pid = os.fork()
    if pid == 0:
        try:
            _begin_peak()
            before, start = _peak(), time.perf_counter()
            text, refused = _read(reader, path)
            seconds = time.perf_counter() - start
            answer.write_text(json.dumps([refused, not text, seconds, _peak() - before]))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    found = Refusal(name, len(content))
    if answer.exists():  # else it died
        found.refused, found.named, found.seconds, found.mb = json.loads(answer.read_text())
    return found
