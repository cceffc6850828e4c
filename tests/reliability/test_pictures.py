"""G5: damaged pictures, bombs, and one stated conversion for each mode."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import record
from PIL import Image
from support_bombs import every
from support_modes import fixtures
from support_pictures import Mutants, Refusal, mutants, refusal

from translate.errors import DataError
from translate.pictures import picture_info, read_picture

READERS = (read_picture, picture_info)
COUNTS = {"ci": 10_000, "bench": 1_000_000}


def held(found: Mutants, count: int) -> None:
    """No death, no unnamed file, and not in vain: a good share of every format was damaged enough to be refused."""
    assert not found.deaths, found.deaths[:5]
    assert not found.unnamed, found.unnamed[:5]
    assert found.pictures == found.refused + found.read == count
    assert len(found.formats) >= 8
    assert found.refused > count / 3
    assert found.chatter < count, "libraries talk beside our messages"


def test_damaged_pictures_in_short(tmp_path: Path) -> None:
    held(mutants(READERS, 400, record.SEED, tmp_path), 400)


@pytest.mark.reliability
@pytest.mark.timeout(7200)
def test_damaged_pictures(tmp_path: Path) -> None:
    count, start = COUNTS[record.SIZE], time.monotonic()
    found = mutants(READERS, count, record.SEED, tmp_path)
    seconds = time.monotonic() - start
    record.figure(name="damaged pictures", goal="G5", values=found.figures(), seed=record.SEED, seconds=seconds)
    held(found, count)


def test_the_harness_sees_a_file_that_is_not_named(tmp_path: Path) -> None:
    def nameless(path: Path) -> object:
        try:
            return read_picture(path)
        except DataError as exc:
            raise DataError(exc.what, fix=exc.fix) from exc

    def stranger(path: Path) -> object:
        with Image.open(path) as image:
            return image.load()

    found = mutants([nameless], 60, record.SEED, tmp_path / "a")
    assert len(found.unnamed) == found.refused > 20
    found = mutants([stranger], 60, record.SEED, tmp_path / "b")
    assert len(found.unnamed) > 20


def test_the_harness_sees_deaths_and_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fatal(path: Path) -> object:
        if path.name.startswith("7-"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if path.name.startswith("25-"):
            time.sleep(30)
        return read_picture(path)

    monkeypatch.setattr("support_pictures.LONGEST", 0.5)
    found = mutants([fatal], 40, record.SEED, tmp_path)
    assert len(found.deaths) == 2
    assert "picture 7: status 11" in found.deaths[0]
    assert found.deaths[1].endswith("hung")
    assert found.pictures == 40


def bombs(reader: object, folder: Path) -> list[Refusal]:
    return [refusal(reader, name, make(), folder) for name, make in every().items()]  # type: ignore[arg-type]


def test_bombs_are_refused_on_their_header(tmp_path: Path) -> None:
    start = time.monotonic()
    found = bombs(read_picture, tmp_path)
    again = [one for one in found if not one.good and one.refused and one.mb < 50]  # the machine was busy
    slow = {one.name: refusal(read_picture, one.name, every()[one.name](), tmp_path) for one in again}
    found = [slow.get(one.name, one) for one in found]
    assert len(found) >= 20
    assert len({Path(one.name).suffix for one in found}) >= 8
    assert all(one.good for one in found), [one for one in found if not one.good]
    values = {
        "bombs": len(found),
        "refused": sum(one.good for one in found),
        "slowest ms": round(1000 * max(one.seconds for one in found)),
        "most MB": round(max(one.mb for one in found), 1),
    }
    record.figure(name="bombs", goal="G5", values=values, seed=0, seconds=time.monotonic() - start)


def test_a_reader_without_a_look_at_the_header_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)

    def careless(path: Path) -> object:
        return read_picture(path, max_pixels=2**40)

    names = ("real_81_megapixels.png", "picture.ico")
    found = [refusal(careless, name, every()[name](), tmp_path) for name in names]
    assert [one.good for one in found] == [False, False]
    assert all(one.mb > 50 for one in found), found


def test_every_mode_by_its_rule(tmp_path: Path) -> None:
    start, wrong = time.monotonic(), []
    cases = fixtures(tmp_path)
    for name, (path, right) in cases.items():
        if right is None:
            with pytest.raises(DataError):
                read_picture(path)
            continue
        pixels = read_picture(path)
        info = picture_info(path)
        if pixels.dtype != right.dtype or not np.array_equal(pixels, right) or info[:3] != right.shape:
            wrong.append(name)
    assert not wrong
    assert len(cases) >= 16
    values = {"kinds": len(cases), "exact": len(cases) - len(wrong)}
    record.figure(name="modes", goal="G5", values=values, seed=3, seconds=time.monotonic() - start)
