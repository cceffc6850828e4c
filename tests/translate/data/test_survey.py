"""The look at all files of a data set: each kind of finding planted once, and a clean set without any."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from translate import Image
from translate.data.examples import Examples, StreamSettings
from translate.data.survey import Finding, Survey, survey
from translate.errors import DataError


class Listed:
    """Files as a dataset: one field, pairs, or fields of any length that are walked beside one another."""

    def __init__(self, **columns: Sequence[Path]) -> None:
        self._columns = columns
        self.fields = {name: Image(3, 8, 8) for name in columns}

    def __len__(self) -> int:
        return max(map(len, self._columns.values()))

    def example(self, index: int, generator: np.random.Generator) -> dict[str, Any]:
        from translate.pictures import read_picture

        return {name: read_picture(paths[index % len(paths)], channels=3) for name, paths in self._columns.items()}

    def files(self) -> dict[str, Sequence[Path]]:
        return dict(self._columns)

    def where(self, index: int) -> str:
        return " and ".join(str(paths[index % len(paths)]) for paths in self._columns.values())

    def name(self, index: int) -> str:
        return str(index)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for path in paths:
        Pillow.fromarray(rng.integers(0, 256, (50, 40, 3), dtype=np.uint8)).save(path)
    return paths


def looked(full: bool = False, size: tuple[int, int] | None = (8, 8), **splits: Listed) -> Survey:
    settings = StreamSettings(image_size=size)
    return survey({name: Examples(data, settings) for name, data in splits.items()}, full=full)


def only(found: Survey) -> Finding:
    assert len(found.findings) == 1, found.findings
    return found.findings[0]


def test_nothing_is_found_where_nothing_is_wrong(pictures: list[Path]) -> None:
    found = looked(train=Listed(image=pictures[:6]), test=Listed(image=pictures[6:]))
    assert found.findings == []
    assert found.pictures == {"image": "8 files, 50x40, 8 colour"}
    assert (found.examples, found.files, found.decoded) == ({"train": 6, "test": 2}, 8, 8)


@pytest.mark.parametrize("small", [True, False], ids=["decoded", "by headers"])
def test_files_that_cannot_be_read(pictures: list[Path], small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not small:
        monkeypatch.setattr("translate.data.survey.SMALL", 0)
    pictures[1].write_bytes(b"no picture")
    pictures[3].write_bytes(pictures[3].read_bytes()[:-700])
    pictures[5].unlink()
    found = looked(train=Listed(image=pictures))
    assert [(one.kind, one.where, one.wrong) for one in found.findings] == [
        ("unreadable", str(pictures[n]), True) for n in (1, 3, 5)
    ]
    assert "truncated" in found.findings[1].what
    assert found.decoded == (6 if small else 1), "a file that is cut off is suspicious by its end"


@pytest.mark.parametrize(("suffix", "cut"), [("jpg", 40), ("gif", 30), ("png", 700)])
def test_what_is_cut_off_is_seen_without_decoding_the_others(
    tmp_path: Path, suffix: str, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("translate.data.survey.SMALL", 0)
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.{suffix}" for number in range(3)]
    for path in paths:
        Pillow.fromarray(rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(path)
    paths[1].write_bytes(paths[1].read_bytes()[:-cut])
    found = looked(train=Listed(image=paths))
    assert found.decoded == 1
    assert only(found).where == str(paths[1])


def test_damage_inside_is_found_in_full_only(pictures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translate.data.survey.SMALL", 0)
    content = bytearray(pictures[2].read_bytes())
    content[len(content) // 2] ^= 0xFF
    pictures[2].write_bytes(content)
    assert looked(train=Listed(image=pictures)).findings == []
    assert only(looked(full=True, train=Listed(image=pictures))).where == str(pictures[2])


def test_pairs_of_different_shape(pictures: list[Path]) -> None:
    Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(pictures[5])
    Pillow.fromarray(np.random.default_rng(2).integers(0, 256, (100, 80, 3), dtype=np.uint8)).save(pictures[6])
    finding = only(looked(train=Listed(source=pictures[:4], target=pictures[4:])))
    assert (finding.kind, finding.where) == ("pair", f"{pictures[1]} and {pictures[5]}")
    assert "different shapes: 50x40 and 40x50 (height x width)" in finding.what


def test_pictures_too_small_for_a_crop_and_of_several_sizes(pictures: list[Path]) -> None:
    Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(pictures[6])
    settings = StreamSettings(image_size=(32, 32), transforms=[{"RandomCrop": 32}])
    finding = only(survey({"train": Examples(Listed(image=pictures), settings)}))
    assert (finding.kind, finding.where, finding.wrong) == ("example", str(pictures[6]), True)
    assert "cannot be applied to image 20x20" in finding.what
    one = looked(size=None, train=Listed(image=pictures)).findings
    assert {finding.kind for finding in one} == {"example"}
    assert any("Set data.image_size" in finding.what for finding in one)


def test_kinds_of_pictures(pictures: list[Path]) -> None:
    Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (50, 40), dtype=np.uint8)).save(pictures[6])
    finding = only(looked(train=Listed(image=pictures)))
    assert (finding.kind, finding.wrong) == ("mode", False)
    assert "several kinds (7 colour, 1 grey)" in finding.what
    assert str(pictures[6]) in finding.what


def test_channels_that_cannot_be_converted(tmp_path: Path, pictures: list[Path]) -> None:
    np.save(tmp_path / "five.npy", np.random.default_rng(0).integers(0, 256, (50, 40, 5), dtype=np.uint8))
    found = looked(train=Listed(image=[*pictures, tmp_path / "five.npy"]))
    wrong = found.wrong[0]
    assert (wrong.kind, wrong.where) == ("mode", str(tmp_path / "five.npy"))
    assert "5 channels, and the field 'image' has 3" in wrong.what


@pytest.mark.parametrize("small", [True, False])
def test_duplicates(pictures: list[Path], small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not small:
        monkeypatch.setattr("translate.data.survey.SMALL", 0)
    shutil.copy(pictures[0], pictures[2])
    shutil.copy(pictures[0], pictures[7])
    finding = only(looked(train=Listed(image=pictures[:6]), test=Listed(image=pictures[6:])))
    assert (finding.kind, finding.where, finding.wrong) == ("duplicate", str(pictures[0]), False)
    assert "3 times in 'image', in train and test: what is measured was learnt" in finding.what
    assert finding.what.endswith(f"{pictures[2]}, {pictures[7]}")


def test_equal_pixels_in_another_format_are_a_duplicate(pictures: list[Path]) -> None:
    with Pillow.open(pictures[0]) as image:
        image.save(pictures[1].with_suffix(".bmp"))
    finding = only(looked(train=Listed(image=[*pictures, pictures[1].with_suffix(".bmp")])))
    assert finding.kind == "duplicate"


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_pictures_of_one_colour_are_seen_by_their_length(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("translate.data.survey.SMALL", 0)
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.{suffix}" for number in range(4)]
    for path in paths[1:]:
        Pillow.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)).save(path)
    Pillow.new("RGB", (256, 256), (30, 60, 90)).save(paths[0], lossless=True)
    found = looked(train=Listed(image=paths))
    finding = only(found)
    assert (finding.kind, finding.where, found.decoded) == ("constant", str(paths[0]), 1)


def test_names_and_what_is_left_out(pictures: list[Path], tmp_path: Path) -> None:
    with Pillow.open(pictures[0]) as image:
        image.save(pictures[0], "JPEG")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "photo.heic").write_text("x")
    (tmp_path / "._0.png").write_text("x")
    name, left = looked(train=Listed(image=pictures)).findings
    assert (name.kind, name.where, name.wrong) == ("name", str(pictures[0]), False)
    assert "the file holds JPEG, though its name says .png" in name.what
    assert (left.kind, left.where) == ("left_out", str(tmp_path))
    assert "(1 of .txt, 1 of .heic, 1 hidden)" in left.what or "(1 of .heic, 1 of .txt, 1 hidden)" in left.what


def test_a_data_set_without_files_is_tried() -> None:
    class Drawn:
        fields = {"image": Image(3, 8, 8)}  # noqa: RUF012

        def __len__(self) -> int:
            return 40

        def example(self, index: int, generator: np.random.Generator) -> dict[str, Any]:
            if index == 13:
                raise DataError("broken", where="thirteen")
            return {"image": np.zeros((8, 8, 3), np.uint8)}

        def name(self, index: int) -> str:
            return str(index)

    examples = Examples(Drawn(), StreamSettings(image_size=None))
    assert survey({"train": examples}).findings == []
    assert only(survey({"train": examples}, full=True)).where == "thirteen"


def test_it_says_how_far_it_is(pictures: list[Path]) -> None:
    told: list[tuple[str, int, int]] = []
    examples = Examples(Listed(image=pictures), StreamSettings(image_size=(8, 8)))
    survey({"train": examples}, progress=lambda *words: told.append(words))
    assert told == [(stage, done, 8) for stage in ("headers", "pixels") for done in range(1, 9)]


@pytest.mark.parametrize("fields", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("bad", [0, 6])
def test_unusual_pictures_are_found_in_fields_of_any_length(
    pictures: list[Path], fields: Sequence[str], bad: int
) -> None:
    class Apart(Listed):
        aligned = False

    Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(pictures[bad])
    settings = StreamSettings(image_size=(32, 32), transforms=[{"RandomCrop": 32}])
    data = Apart(**dict(zip(fields, (pictures[:5], pictures[5:]), strict=True)))
    finding = only(survey({"train": Examples(data, settings)}))
    assert finding.kind == "example"
    assert str(pictures[bad]) in finding.where


def test_each_accepted_suffix_says_a_format_that_is_told_by_content() -> None:
    from translate.data.files_seen import _HEADS
    from translate.pictures import ACCEPTED, FORMATS, SUFFIXES

    names = list(dict.fromkeys(SUFFIXES.values()))
    assert names == list(_HEADS)
    assert [name.upper().replace(" ", "") for name in names[:-1]] == list(FORMATS)
    assert f"{', '.join(names[:-1])}, and arrays as .npy" == ACCEPTED
