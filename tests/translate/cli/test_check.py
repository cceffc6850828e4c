"""`translate check`: what is wrong with a pipeline or its data is said within seconds, with the right exit code."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from translate.cli import main

SMALL = ["data.image_size=32", "data.transforms=[]", "networks.G.width=2", "networks.D.width=2"]


@pytest.fixture(scope="module", autouse=True)
def _warm():
    """Import what the command needs: the time limits are those of the check, not of a cold disk."""
    main(["check", "demo", "training.stpes=1"])


@pytest.fixture
def check(capsys):
    """Run `translate check` and return exit code, stdout and stderr; it must not take five seconds."""

    def run(*words: str) -> tuple[int, str, str]:
        start = time.perf_counter()
        code = main(["check", *words])
        assert time.perf_counter() - start < 5
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture
def pairs(tmp_path):
    """A folder of three pairs."""
    for side in ("A", "B"):
        folder = tmp_path / "pairs" / "train" / side
        folder.mkdir(parents=True)
        for stem in ("one", "two", "three"):
            Image.new("RGB", (40, 40)).save(folder / f"{stem}.png")
    return tmp_path / "pairs"


def test_a_right_pipeline_is_summed_up(check, pairs):
    code, out, err = check("pix2pix", f"data.root={pairs}", *SMALL)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "pix2pix: no problems"
    assert lines[1] == "  data: 3 examples of source Image(3x32x32 in [-1, 1]), target Image(3x32x32 in [-1, 1])"
    assert lines[2].startswith("  G: generator unet(Image(3x32x32 in [-1, 1])), ")
    assert lines[3].startswith("  D: discriminator patchgan(")


def test_a_pipeline_without_data_of_its_own(check):
    code, out, _ = check("demo", "networks.G.width=2")
    assert (code, out.splitlines()[0]) == (0, "demo: no problems")


def test_a_wrong_file(check, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: demo\nnetworks:\n  G: {generatr: resnet}\ntraining: {stpes: 5, batch_size: 0}\n")
    code, out, err = check(str(file))
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0] == "error: the pipeline has 3 problems"
    assert f"{file}:3:7: networks.G.generatr: no such key. Did you mean 'generator'?" in lines[1]
    assert f"{file}:4:12: training.stpes: no such key. Did you mean 'steps'?" in lines[2]
    assert f"{file}:4:34: training.batch_size: " in lines[3]
    assert lines[-1] == "  code: E-PIPELINE (README.md#errors)"


def test_a_file_that_is_no_yaml(check, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("data: {dataset: drawn\n")
    code, _, err = check(str(file))
    assert code == 2
    assert f"{file}:2:1: " in err


def test_a_pipeline_that_is_not_there(check):
    code, _, err = check("pix2px")
    assert code == 2
    assert "Did you mean 'pix2pix'?" in err


def test_data_that_is_not_given(check):
    code, _, err = check("pix2pix")
    assert code == 2
    assert "data.root: must be given: add `data.root=VALUE` to the command line" in err


def test_a_wrong_override(check):
    code, _, err = check("demo", "networks.G.wdth=2")
    assert code == 2
    assert "command line `networks.G.wdth=2`: networks.G.wdth: no such key. Did you mean 'width'?" in err


def test_a_root_that_is_not_there(check, pairs):
    code, _, err = check("pix2pix", f"data.root={pairs}s", *SMALL)
    assert code == 3
    assert f"where: {pairs}s" in err
    assert "fix: set data.root" in err
    assert "Did you mean" in err
    assert len(err.splitlines()) <= 4


def test_an_empty_folder(check, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = check("pix2pix", f"data.root={tmp_path / 'empty'}", *SMALL)
    assert code == 3
    assert str(tmp_path / "empty") in err
    assert "  fix: " in err


def test_pairs_that_do_not_match(check, pairs):
    (pairs / "train" / "B" / "two.png").rename(pairs / "train" / "B" / "tow.png")
    code, out, err = check("pix2pix", f"data.root={pairs}", *SMALL)
    assert (code, out) == (3, "")
    assert "1 of 3 in A (two)" in err
    assert "1 of 3 in B (tow)" in err


def test_a_size_that_does_not_fit(check, pairs):
    code, _, err = check("pix2pix", f"data.root={pairs}", "data.image_size=33", "data.transforms=[]")
    assert code == 2
    assert "networks.G: unet halves the size of its input, which 33x33 does not allow" in err
    assert "Set `image_size` to a multiple of a power of two" in err
    assert "networks.D" not in err


def test_a_picture_that_is_damaged(check, pairs):
    (pairs / "train" / "A" / "one.png").write_bytes(Path(pairs / "train" / "A" / "one.png").read_bytes()[:20])
    code, _, err = check("pix2pix", f"data.root={pairs}", *SMALL)
    assert code == 3
    assert "one.png" in err


# --- all problems of the data at once ---


@pytest.fixture
def many(tmp_path):
    """Eight pairs of noise, in two splits."""
    rng = np.random.default_rng(0)
    for split, stems in (("train", "abcdef"), ("test", "xy")):
        for side in ("A", "B"):
            folder = tmp_path / "many" / split / side
            folder.mkdir(parents=True)
            for stem in stems:
                Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{stem}.png")
    return tmp_path / "many"


def test_a_clean_set_has_nothing_worth_a_look(check, many):
    code, out, err = check("pix2pix", f"data.root={many}", *SMALL)
    assert (code, err) == (0, "")
    assert "  pictures of source: 8 files, 40x40, 8 colour" in out.splitlines()
    assert out.splitlines()[-1] == "  files: 16 looked at; examples: 6 train, 2 test"


def test_all_problems_of_the_data_at_once(check, many):
    (many / "train" / "A" / "a.png").write_bytes(b"no picture")
    cut = many / "test" / "B" / "x.png"
    cut.write_bytes(cut.read_bytes()[:2000])
    (many / "train" / "A" / "b.png").unlink()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(
        many / "train" / "B" / "c.png"
    )
    Image.new("RGB", (40, 40)).save(many / "train" / "A" / "d.png")
    shutil.copy(many / "train" / "A" / "e.png", many / "test" / "A" / "y.png")
    shutil.copy(many / "train" / "A" / "f.png", many / "train" / "A" / "f.webp")
    code, out, err = check("pix2pix", f"data.root={many}", *SMALL)
    lines = err.splitlines()
    assert (code, out) == (3, "")
    assert "error: the data has 5 problems" in lines
    for text in (
        "a.png: not an accepted picture",
        "x.png: the picture cannot be read (image file is truncated",
        "pictures without a partner of the same stem",
        "two pictures have the same stem: f.png and f.webp",
        "different shapes: 40x40 and 40x60 (height x width)",
    ):
        assert sum(text in line for line in lines) == 1, text
    assert any(line.startswith("worth a look: ") and "d.png: every pixel" in line for line in lines)
    assert any(line.startswith("worth a look: ") and "e.png: the same picture 2 times" in line for line in lines)
    assert lines[-2].startswith("  fix: ")
    assert lines[-1] == "  code: E-DATA (README.md#errors)"


def test_what_is_worth_a_look_is_no_error_unless_asked_for(check, many):
    Image.new("RGB", (40, 40)).save(many / "train" / "A" / "d.png")
    code, out, err = check("pix2pix", f"data.root={many}", *SMALL)
    assert (code, err) == (0, "")
    assert "  worth a look: " in out
    code, out, err = check("pix2pix", f"data.root={many}", *SMALL, "--strict")
    assert (code, out) == (3, "")
    assert "d.png: every pixel of the picture has the same value" in err


def test_a_wrong_pipeline_and_wrong_data_are_both_told(check, many):
    (many / "train" / "A" / "a.png").write_bytes(b"no picture")
    code, out, err = check("pix2pix", f"data.root={many}", "data.image_size=33", "data.transforms=[]")
    assert (code, out) == (3, "")
    assert "networks.G: unet halves the size of its input" in err
    assert "a.png: not an accepted picture" in err


def test_where_no_picture_is_good(check, many):
    for path in (many / "train" / "A").iterdir():
        path.write_bytes(b"no picture")
    code, out, err = check("pix2pix", f"data.root={many}", *SMALL)
    assert (code, out) == (3, "")
    assert all(f"A/{stem}.png: not an accepted picture" in err for stem in "abcdef")


def test_a_split_that_cannot_be_opened_is_named(check, many):
    words = ("pix2pix", f"data.root={many}", *SMALL)
    for path in (many / "test" / "B").iterdir():
        path.unlink()
    code, out, err = check(*words)
    assert (code, err) == (0, "")
    empty = f"{many / 'test' / 'B'}: there are no pictures here"
    assert f"  worth a look: nothing can be measured on 'test': {empty}" in out
    assert f"  no split 'val': {many}: there is no folder 'val' for this split; found train, test" in out
    (many / "train" / "A" / "a.png").write_bytes(b"no picture")
    code, out, err = check(*words, "evaluation.metrics=null")
    assert (code, out) == (3, "")
    assert f"no split 'test': {empty}" in err
    assert "no split 'val'" in err
