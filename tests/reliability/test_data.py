"""Wrong data through the commands: what is said, how soon, and that nothing waits, dies or leaves a file out unsaid."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import record
import torch
import yaml
from PIL import Image

from translate import Image as ImageSpec
from translate import hookimpl
from translate.cli import main
from translate.data import DataRequest
from translate.data.stream import Stream, StreamSettings
from translate.errors import DataError, Stopped
from translate.pictures import read_picture
from translate.training import train
from translate.training.checkpoint import find_checkpoints, load_checkpoint
from translate_datasets.paired_folders import paired_folders

PIPELINE: dict[str, Any] = {
    "description": "The least that trains on pairs.",
    "data": {"dataset": "paired_folders", "image_size": 8, "workers": 0},
    "networks": {"G": {"generator": "unet", "makes": "target", "width": 2}},
    "losses": {"reconstruction": {"loss": "l1", "of": "G(source)", "to": "target"}},
    "training": {
        "steps": 3, "batch_size": 2, "device": "cpu", "checkpoint_every": 1000, "preview_every": 0, "log_every": 1,
        "observers": ["metrics_file", "terminal", "samples"],
    },
    "preview": ["source", "G(source)"],
    "evaluation": {"split": "train", "metrics": {"distance": {"metric": "l1", "of": "G(source)", "to": "target"}}},
}  # fmt: skip

Said = tuple[int, str, str]


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """The pipeline above as a file."""
    file = tmp_path / "pairs.yaml"
    file.write_text(yaml.safe_dump(PIPELINE, sort_keys=False), encoding="utf-8")
    return file


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command; what it said must be printable anywhere, and never a traceback."""

    def run(*words: object) -> Said:
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        (out + err).encode("utf-8")  # no undecodable byte of a name is left
        return code, out, err

    return run


def pairs(root: Path, stems: Sequence[str | bytes], size: int = 8) -> Path:
    """A folder of pairs of noise."""
    rng = np.random.default_rng(0)
    for side in ("A", "B"):
        folder = root / "train" / side
        folder.mkdir(parents=True)
        for stem in stems:
            name = os.fsdecode(stem) + ".png"
            with (folder / name).open("wb") as file:
                Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(file, "PNG")
    return root


def numbered(count: int) -> list[str]:
    return [f"{number:04}" for number in range(count)]


# --- names ---

NAMES: list[str | bytes] = [
    "caf\u00e9", "cafe\u0301s", "\U0001f600", "with spaces", "quo'te\"s", "new\nline", "-rf", "--help", "$(touch x)",
    "`x`;&|", "%s{0}", "[red]x[bold]", b"not \xff utf-8 \xfe", "tab\tand\x1b[31mcolour", "n" * 251,
    "\u202eright to left",
]  # fmt: skip


def test_every_name_through_check_train_evaluate_and_the_logs(
    tmp_path: Path, pipeline: Path, say: Callable[..., Said]
) -> None:
    root, out = pairs(tmp_path / "data", NAMES), tmp_path / "run"
    code, text, err = say("check", pipeline, f"data.root={root}")
    assert (code, err) == (0, "")
    assert f"data: {len(NAMES)} examples" in text
    code, _, err = say("train", pipeline, f"data.root={root}", "training.steps=16", "--out", out)
    assert code == 0, err
    code, _, err = say("evaluate", out, "--split", "train", "--device", "cpu")
    assert code == 0, err
    for file in [*out.glob("*.json"), *out.glob("*.jsonl"), *out.glob("*.yaml")]:
        file.read_text(encoding="utf-8")


def test_bad_files_of_every_name_are_named_in_one_line(
    tmp_path: Path, pipeline: Path, say: Callable[..., Said]
) -> None:
    root = pairs(tmp_path / "data", ["good", *NAMES])
    names = [os.fsdecode(name) + ".png" for name in NAMES]
    printable = ["".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name) for name in names]
    for name in names:
        (root / "train" / "A" / name).write_bytes(b"no picture")
    code, _, err = say("check", pipeline, f"data.root={root}")
    assert code == 3
    assert f"the data has {len(names)} problems" in err
    for name in printable:
        assert sum(f"/train/A/{name}: not an accepted picture" in line for line in err.splitlines()) == 1
    code, _, err = say("train", pipeline, f"data.root={root}", "--out", tmp_path / "run")
    block = err[err.index("error:") :].splitlines()
    assert (code, len(block)) == (3, 4)
    assert any(block[1].endswith(f"/train/A/{name}") for name in printable)
    for name in names:
        with pytest.raises(DataError) as caught:
            read_picture(root / "train" / "A" / name)
        assert len(caught.value.block().splitlines()) == 4


def test_the_bad_samples_are_listed_and_the_good_ones_are_not(
    shared_data: Path, tmp_path: Path, pipeline: Path, say: Callable[..., Said]
) -> None:
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    for path in [*(shared_data / "formats").glob("*.*"), *(shared_data / "formats" / "bad").glob("*.*")]:
        shutil.copy(path, folder / path.name)
    code, _, err = say("check", pipeline, "data.dataset=computed_source", f"data.root={folder.parent}")
    said = {line.split(": ")[0].rpartition("/")[2] for line in err.splitlines() if line.startswith(f"  {folder}/")}
    bad = {path.name for path in (shared_data / "formats" / "bad").iterdir() if path.suffix != ".json"}
    assert code == 3
    assert said == bad - {"no_palette.gif", "invalid_exif.jpg"}, "these two have pixels to show"


@pytest.mark.parametrize("folder", [b"not \xff utf-8", "new\nline", "-rf", "caf\u00e9 \U0001f600", "[bold]", "$(x)"])
def test_odd_folders_for_data_and_runs(
    folder: str | bytes, tmp_path: Path, pipeline: Path, say: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / os.fsdecode(folder)
    root = pairs(base / "data", numbered(4))
    root_word = f"data.root={root}"
    if not str(root).isprintable():  # a value is a line of YAML, so that it needs quotes, or another way to say it
        code, _, err = say("check", pipeline, root_word)
        assert code == 2
        assert len(err.splitlines()) == 3
        root_word = f"data.root={json.dumps(str(root))}"
    if isinstance(folder, bytes):  # YAML is text, whatever the quotes
        monkeypatch.chdir(base)
        root_word = "data.root=data"
    words = ("train", pipeline, root_word, "--out", base / "run")
    for steps in (3, 5):  # begins, and goes on
        code, _, err = say(*words, f"training.steps={steps}")
        assert code == 0, err
    code, _, err = say("evaluate", base / "run", "--split", "train", "--device", "cpu")
    assert code == 0, err
    assert len(find_checkpoints(base / "run" / "checkpoints")) == 2


# --- what is no picture ---


def odd_files(folder: Path) -> dict[str, str]:
    """Files that are no pictures, and what is said of each."""
    os.mkfifo(folder / "fifo.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "terminal.png").symlink_to("/dev/tty")
    (folder / "broken.png").symlink_to(folder / "nowhere")
    (folder / "ring.png").symlink_to(folder / "ring2.png")
    (folder / "ring2.png").symlink_to(folder / "ring.png")
    heads = {
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "pdf.jpg": b"%PDF-1.4\n",
        "psd.png": b"8BPS\0\1",
        "fits.tif": b"SIMPLE  =                    T", "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "script.gif": b"#!/bin/sh\ntouch /tmp/x\n", "page.webp": b"<html>404 not found</html>", "empty.bmp": b"",
        "zip.png": b"PK\3\4", "pickle.npy": b"\x80\4cos\nsystem\n",
    }  # fmt: skip
    for name, head in heads.items():
        (folder / name).write_bytes(head + bytes(200 if head else 0))
    special = dict.fromkeys(("fifo.png", "device.png"), "not a regular file but a pipe, socket or device")
    links = {"broken.png": "a broken link", "ring.png": "symbolic links", "ring2.png": "symbolic links"}
    return special | links | dict.fromkeys(heads, "not an accepted picture") | {"terminal.png": ""}


def test_special_files_and_other_formats_are_named_and_nothing_is_started(
    tmp_path: Path, pipeline: Path, say: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*words: Any, **more: Any) -> None:
        pytest.fail(f"a program was started: {words}")

    root = pairs(tmp_path / "data", numbered(3))
    folder = root / "train" / "A"
    (folder / ".hidden.png").write_bytes(b"no picture")
    (folder / "._0000.png").write_bytes(b"no picture")
    said = odd_files(folder)
    for name in said:
        shutil.copy(root / "train" / "B" / "0000.png", root / "train" / "B" / f"{Path(name).stem}.png")
    for name in ("Popen", "run", "call"):
        monkeypatch.setattr(subprocess, name, started)
    monkeypatch.setattr(os, "system", started)
    monkeypatch.setattr(signal, "alarm", signal.alarm)
    start = time.monotonic()
    code, _, err = say("check", pipeline, f"data.root={root}")
    assert time.monotonic() - start < 5
    assert code == 3
    lines = err.splitlines()
    for name, text in said.items():
        assert any(f"/A/{name}: " in line and text in line for line in lines), name
    assert f"the data has {len(said)} problems" in err
    assert "2 hidden" in err
    assert ".hidden.png:" not in err
    for name in said:  # also one by one, as training meets them
        with pytest.raises(DataError) as caught:
            read_picture(folder / name)
        assert caught.value.where == str(folder / name)


def test_a_fifo_that_appears_in_training_does_not_hold_it(
    tmp_path: Path, pipeline: Path, say: Callable[..., Said]
) -> None:
    root = pairs(tmp_path / "data", numbered(3))
    path = root / "train" / "A" / "0001.png"
    path.unlink()
    os.mkfifo(path)
    start = time.monotonic()
    code, _, err = say("train", pipeline, f"data.root={root}", "--out", tmp_path / "run")
    assert time.monotonic() - start < 5
    assert code == 3
    assert f"where: {path}" in err
    assert not list((tmp_path / "run").glob("report*"))


@pytest.mark.skipif(os.getuid() != 0, reason="a file that may not be read: dropping rights needs root")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    root = pairs(tmp_path / "data", numbered(2))
    path = root / "train" / "A" / "0001.png"
    path.chmod(0o000)
    descriptor = os.open(root / "train" / "A", os.O_RDONLY)  # the folders above are closed to others
    answer, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.fchdir(descriptor)
            os.setuid(65_534)
            read_picture(path.name)
        except DataError as exc:
            os.write(told, exc.block().encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(told)
    block = os.read(answer, 10_000).decode()
    os.close(answer)
    os.close(descriptor)
    assert "Permission denied" in block
    assert f"where: {path.name}" in block


# --- sizes ---


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (7, 9), (8, 8), (2, 2)])
def test_any_size_is_resized_by_rule_or_refused_with_file_and_sizes(
    size: tuple[int, int], tmp_path: Path, pipeline: Path, say: Callable[..., Said]
) -> None:
    root = pairs(tmp_path / "data", numbered(3), size=16)
    for side in ("A", "B"):
        noise = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "train" / side / "0001.png")
    words = (pipeline, f"data.root={root}")
    assert say("check", *words)[0] == 0, "resized to data.image_size"
    assert say("train", *words, "--out", tmp_path / "run")[0] == 0
    code, _, err = say("check", *words, "data.transforms=[{RandomCrop: 8}]")
    smaller = min(size) < 8
    assert code == (3 if smaller else 0)
    if smaller:
        assert f"cannot be applied to source {size[0]}x{size[1]}" in err
        assert "0001.png" in err
    code, _, err = say("check", *words, "data.image_size=null")
    assert code == 3
    assert f"field 'source' is {size[0]}x{size[1]}" in err
    assert "0001.png" in err


# --- folders ---


def test_wrong_folders_are_told_with_what_is_there(tmp_path: Path, pipeline: Path, say: Callable[..., Said]) -> None:
    root = pairs(tmp_path / "facades", numbered(2))
    (tmp_path / "empty").mkdir()
    texts = tmp_path / "texts" / "train"
    for side in ("A", "B"):
        (texts / side).mkdir(parents=True)
        (texts / side / "a.txt").write_text("x")
    above = pairs(tmp_path / "above" / "data", numbered(2)).parent
    cases = {
        tmp_path / "facade": "Did you mean 'facades'?",
        tmp_path / "empty": "empty is empty",
        texts.parent: "1 files of .txt",
        root / "train" / "A": "this is the wrong level",
        tmp_path / "facades" / "train" / "A" / "0000.png": "this is a file, not a folder",
        above: "this is the wrong level",
    }
    for command in ("check", "train"):
        for place, text in cases.items():
            start = time.monotonic()
            more = ("--out", tmp_path / "run") if command == "train" else ()
            code, _, err = say(command, pipeline, f"data.root={place}", *more)
            assert (code, text in err) == (3, True), (command, place, err)
            assert time.monotonic() - start < 5
            assert len(err[err.index("error:") :].splitlines()) <= 4
            assert "num_samples" not in err


# --- files that vanish, change, or are bad ---


class At:
    """An observer that does something at a step."""

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        self.step, self.act = step, act

    @hookimpl
    def translate_step_finished(self, step: int) -> None:
        """Act."""
        if step == self.step:
            self.act()


def settings(root: Path, **keys: Any) -> dict[str, Any]:
    data = {
        "root": str(root),
        "cache_mb": 0,
        **{key: keys.pop(key) for key in ("on_bad_image", "workers") if key in keys},
    }
    return {**PIPELINE, "data": {**PIPELINE["data"], **data}, "training": {**PIPELINE["training"], **keys}}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_vanishes_was_there_at_the_start(tmp_path: Path, workers: int) -> None:
    root = pairs(tmp_path / "data", numbered(6))
    gone = root / "train" / "B" / "0004.png"
    with pytest.raises(DataError, match="was there at the start and is gone") as caught:
        train(
            settings(root, steps=40, observers=[], workers=workers),
            out=tmp_path / "run",
            observers=[At(5, gone.unlink)],
        )
    assert caught.value.where == str(gone)
    assert "data.on_bad_image=skip" in str(caught.value.fix)
    assert caught.value.exit_code == 3


def test_a_file_that_is_cut_while_training_has_changed(tmp_path: Path) -> None:
    root = pairs(tmp_path / "data", numbered(6))
    file = root / "train" / "A" / "0002.png"
    cut = At(5, lambda: file.write_bytes(file.read_bytes()[:60]))
    with pytest.raises(DataError, match="the file has changed since the start") as caught:
        train(settings(root, steps=40, observers=[]), out=tmp_path / "run", observers=[cut])
    assert caught.value.where == str(file)


def end_of(run: Path) -> dict[str, Any]:
    """The weights and what was left out, at the newest checkpoint."""
    newest = load_checkpoint(find_checkpoints(run / "checkpoints")[-1][1])
    state: Any = newest.state
    return {"weights": newest.weights["G"], "bad": list(state["ranks"][0]["bad_images"]), "step": newest.step}


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    weights = all(torch.equal(a["weights"][name], b["weights"][name]) for name in a["weights"])
    return weights and (a["bad"], a["step"]) == (b["bad"], b["step"])


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred pairs, two of them bad: exactly one in a hundred."""
    root = pairs(tmp_path_factory.mktemp("damaged"), numbered(200))
    (root / "train" / "A" / "0000.png").write_bytes(b"no picture")  # the first, whose header is looked at
    bad = root / "train" / "B" / "0123.png"
    bad.write_bytes(bad.read_bytes()[:-100])
    return root


LONG: dict[str, Any] = {"steps": 60, "batch_size": 4, "observers": [], "on_bad_image": "skip"}


@pytest.fixture(scope="module")
def straight(damaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("straight") / "run"
    train(settings(damaged, **LONG), out=out)
    return out


def test_bad_images_are_left_out_counted_and_listed(damaged: Path, straight: Path) -> None:
    report = json.loads((straight / "bad_images.json").read_text())
    assert (report["left_out"], report["examples"]) == (2, 200)
    assert {one["where"] for one in report["files"]} == {
        str(damaged / "train" / "A" / "0000.png"),
        str(damaged / "train" / "B" / "0123.png"),
    }
    assert all(one["what"] for one in report["files"])


@pytest.mark.parametrize(("stop", "workers", "then"), [(7, 0, 0), (33, 2, 0), (50, 0, 2)])
def test_a_run_that_leaves_images_out_goes_on_bit_by_bit(
    damaged: Path, straight: Path, tmp_path: Path, stop: int, workers: int, then: int
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Stopped):
        train(
            settings(damaged, **LONG, workers=workers),
            out=out,
            observers=[At(stop, lambda: os.kill(os.getpid(), signal.SIGTERM))],
        )
    train(settings(damaged, **LONG, workers=then), out=out)
    assert equal(end_of(straight), end_of(out))
    assert (out / "bad_images.json").read_text() == (straight / "bad_images.json").read_text()


def test_the_loader_of_a_run_that_stops_names_the_file_and_skip_is_the_way_on(
    damaged: Path, tmp_path: Path, pipeline: Path, say: Callable[..., Said]
) -> None:
    words = ("train", pipeline, f"data.root={damaged}", "training.steps=60", "training.batch_size=4")
    code, _, err = say(*words, "--out", tmp_path / "run")
    assert code == 3
    assert "where: " in err
    assert ".png" in err
    code, _, err = say(*words, "data.on_bad_image=skip", "--out", tmp_path / "run")
    assert code == 0, err
    assert (tmp_path / "run" / "bad_images.json").is_file()


def test_more_than_one_in_a_hundred_stop_it_and_are_listed(damaged: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(damaged, root)
    (root / "train" / "A" / "0050.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"3 of 200 examples cannot be read, more than the 1 %") as caught:
        train(settings(root, **LONG), out=tmp_path / "run")
    assert caught.value.exit_code == 3
    assert len(caught.value.block().splitlines()) == 4
    report = json.loads((tmp_path / "run" / "bad_images.json").read_text())
    assert report["left_out"] == 3


def test_what_is_measured_is_never_left_out(damaged: Path, straight: Path, say: Callable[..., Said]) -> None:
    code, _, err = say("evaluate", straight, "--split", "train", "--device", "cpu")
    assert code == 0, f"the training split is what was trained on: {err}"
    root = damaged.parent / "with a test split"
    shutil.copytree(damaged / "train", root / "train")
    shutil.copytree(damaged / "train", root / "test")
    code, _, err = say("evaluate", straight, f"data.root={root}", "--split", "test", "--device", "cpu")
    assert code == 3
    assert "0000.png" in err


def unnamed(dataset: Any, bad: Path) -> bool:
    """Whether a loader keeps to itself which file is bad."""
    stream = Stream(dataset, StreamSettings(image_size=(8, 8)), batch_size=2)
    try:
        for _, _ in zip(range(10), stream.batches(), strict=False):
            pass
    except Exception as exc:
        return not (isinstance(exc, DataError) and exc.where is not None and str(bad) in exc.where)
    return True


def test_the_loader_names_the_file_and_one_that_does_not_is_seen(tmp_path: Path) -> None:
    root = pairs(tmp_path / "data", numbered(6))
    bad = root / "train" / "B" / "0003.png"
    bad.write_bytes(bad.read_bytes()[:80])
    request = DataRequest(split="train", image_size=(8, 8), seed=0)

    class Nameless:
        def __init__(self) -> None:
            self.fields = {"image": ImageSpec(3, 8, 8)}

        def __len__(self) -> int:
            return 6

        def example(self, index: int, generator: np.random.Generator) -> dict[str, Any]:
            with Image.open(root / "train" / "B" / f"{index:04}.png") as image:
                return {"image": np.array(image)}

        def name(self, index: int) -> str:
            return f"{index:04}"

    assert not unnamed(paired_folders(request, root=str(root), cache_mb=0), bad)
    assert unnamed(Nameless(), bad)


# --- how soon ---


def many(folder: Path, count: int) -> Path:
    """So many pictures of 256 x 256, three of them wrong."""
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    for side, turn in (("A", 0), ("B", 1)):
        (folder / "train" / side).mkdir(parents=True)
        for number in range(count // 2):
            picture = np.roll(coarse, (number % 256, number // 256 + 128 * turn), axis=(0, 1))
            Image.fromarray(picture).save(folder / "train" / side / f"{number:05}.jpg")
    last = folder / "train" / "A" / f"{count // 2 - 1:05}.jpg"
    last.write_bytes(last.read_bytes()[:-500])
    (folder / "train" / "B" / "00001.jpg").write_bytes(b"no picture")
    Image.new("RGB", (256, 256)).save(folder / "train" / "B" / "00002.jpg")
    return folder


def checked(folder: Path, pipeline: Path) -> tuple[float, float, str]:
    """Seconds by the clock and of the processor of `translate check` as a new process, and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    words = [sys.executable, "-m", "translate", "check", str(pipeline), f"data.root={folder}"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 3, done.stderr
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


@pytest.mark.reliability
@pytest.mark.timeout(600)
def test_ten_thousand_pictures_are_checked_in_ten_seconds(tmp_path: Path, pipeline: Path) -> None:
    folder = many(tmp_path / "data", 10_000)
    start = time.monotonic()
    seconds, busy, err = checked(folder, pipeline)
    values = {"pictures": 10_000, "seconds": round(seconds, 1), "processor seconds": round(busy, 1)}
    record.figure(name="check", goal="G13", values=values, seed=0, seconds=time.monotonic() - start)
    assert "the data has 2 problems" in err
    assert "every pixel" in err
    assert busy < 10, "by the processor: the clock depends on what else runs"


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before + 2
