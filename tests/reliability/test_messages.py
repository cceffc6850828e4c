"""The form of every error that a user can cause (G12): at most four lines, what, where, a fix, the code, no traceback.

One table over the cheap cases of the sections A to F of the scenarios; plugins have theirs in test_plugins.py, and the
command lines here are run in one process, as fast as they are typed.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import record
import support_plugins as sp
import yaml
from PIL import Image

from translate.cli import main

Words = list[str]
Case = tuple[str, int, str, Callable[[Path], Words]]


def pipeline(folder: Path, *changes: tuple[str, object]) -> str:
    """The small pipeline in a file, with some values changed."""
    document = yaml.safe_load(yaml.safe_dump(sp.GOOD))
    for dotted, value in changes:
        *above, last = dotted.split(".")
        holder = document
        for part in above:
            holder = holder[part]
        holder[last] = value
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return str(file)


def train(folder: Path, *words: str, **changes: object) -> Words:
    return ["train", pipeline(folder, *changes.items()), *words, "--out", str(folder / "run")]


def pictures(folder: Path, *, sides: tuple[str, ...] = ("A", "B"), count: int = 3) -> Path:
    """Two folders of pictures."""
    for side in sides:
        (folder / "set" / "train" / side).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (16, 16), (number, 0, 0)).save(folder / "set" / "train" / side / f"{number}.png")
    return folder / "set"


def paired(folder: Path, root: Path) -> Words:
    data = {"dataset": "paired_folders", "root": str(root), "image_size": 16, "transforms": [], "workers": 0}
    return ["check", pipeline(folder, ("data", data))]


def done(folder: Path) -> Path:
    """A finished run; made once."""
    run = folder.parent / "finished"
    if not run.exists():
        assert main(["train", pipeline(folder), "training.steps=1", "--out", str(run)]) == 0
    return run


def copied(folder: Path) -> Path:
    import shutil

    return Path(shutil.copytree(done(folder), folder / "copy"))


def damaged(folder: Path, name: str, change: Callable[[bytes], bytes]) -> Words:
    file = copied(folder) / "checkpoints" / "000001" / name
    file.write_bytes(change(file.read_bytes()))
    return ["evaluate", str(file.parent)]


def with_files(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


def applied(folder: Path, name: str) -> Words:
    return ["run", str(folder / name), str(folder), "--output", str(folder / "out")]


def a_folder(folder: Path) -> Path:
    (folder / "folder.yaml").mkdir()
    return folder / "folder.yaml"


def flipped(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


def is_file(folder: Path) -> Words:
    (folder / "run").write_text("mine")
    return train(folder)


def is_link(folder: Path) -> Words:
    (folder / "elsewhere").mkdir()
    (folder / "run").symlink_to(folder / "elsewhere")
    return train(folder)


def is_full(folder: Path) -> Words:
    (folder / "run").mkdir()
    (folder / "run" / "holiday.jpg").write_bytes(b"x")
    return train(folder)


def is_locked(folder: Path) -> Words:
    from translate.training.lock import LOCK

    run = copied(folder)
    (run / LOCK).write_text(json.dumps({"host": "another-host", "pid": 1, "since": "then", "start": None}))
    return ["train", pipeline(folder), "training.steps=2", "--out", str(run)]


def one_bad(folder: Path) -> Words:
    root = pictures(folder)
    (root / "train" / "A" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    return paired(folder, root)


def unpaired(folder: Path) -> Words:
    root = pictures(folder)
    for name in ("0.png", "1.png", "2.png"):
        (root / "train" / "B" / name).rename(root / "train" / "B" / f"x{name}")
    return paired(folder, root)


def edited(folder: Path) -> Words:
    return ["train", pipeline(folder, ("training.batch_size", 4)), "training.steps=2", "--out", str(copied(folder))]


# What was done wrong; the exit code; what must be named; how to do it.
CASES: list[Case] = [
    # command line
    ("no such command", 2, "trian", lambda _: ["trian", "demo"]),
    ("no such option", 2, "--ouf", lambda _: ["train", "demo", "--ouf", "x"]),
    ("argument missing", 2, "pipeline", lambda _: ["train"]),
    ("no such plugin to disable", 2, "lossess", lambda _: ["--disable", "lossess", "list"]),
    ("no such kind", 2, "generatr", lambda _: ["list", "generatr"]),
    ("no such component", 2, "unte", lambda _: ["describe", "generator", "unte"]),
    # A and B: runs and folders
    ("output is a file", 2, "run", is_file),
    ("output is a link", 2, "run", is_link),
    ("output holds other files", 2, "run", is_full),
    ("another host's lock", 6, "another-host", is_locked),
    ("recipe edited between runs", 2, "training.batch_size", edited),
    ("no such device", 2, "gpu", lambda f: train(f, "training.device=gpu")),
    ("device is not there", 6, "mps", lambda f: train(f, "training.device=mps")),
    # C, data
    ("folder missing", 3, "nowhere", lambda f: paired(f, f / "nowhere")),
    ("folder empty", 3, "set", lambda f: paired(f, with_files(f) / "set")),
    ("one side missing", 3, "set", lambda f: paired(f, pictures(f, sides=("A",)))),
    ("picture broken", 3, "1.png", one_bad),
    ("pairs do not match", 3, "x0", unpaired),
    # D, numbers
    ("rate is far too large", 7, "not finite",
     lambda f: train(f, "training.steps=40", **{"training.optimizers": {
         "generators": {"name": "sgd", "lr": 1e30}, "discriminators": {"name": "sgd", "lr": 1e30}}})),
    # E, pipelines
    ("no such pipeline", 2, "pix2pxi", lambda _: ["train", "pix2pxi"]),
    ("no such file", 2, "nope.yaml", lambda f: ["train", str(f / "nope.yaml")]),
    ("a folder", 2, "folder.yaml", lambda f: ["check", str(a_folder(f))]),
    ("key misspelt", 2, "stepps", lambda f: train(f, **{"training.stepps": 3})),
    ("name misspelt", 2, "resnte", lambda f: train(f, **{"networks.G.generator": "resnte"})),
    ("wrong type", 2, "many", lambda f: train(f, **{"training.steps": "many"})),
    ("out of range", 2, "-1", lambda f: train(f, **{"training.batch_size": -1})),
    ("unknown value", 2, "fakee", lambda f: train(f, **{"losses.reconstruction.of": "fakee"})),
    ("expression broken", 2, "flow.fake", lambda f: train(f, **{"flow.fake": "G(source"})),
    ("sizes do not fit", 2, "losses", lambda f: train(f, **{"losses.reconstruction.to": "D(source, target)"})),
    ("override without value", 2, "training.steps", lambda _: ["check", "demo", "training.steps"]),
    ("override of nothing", 2, "training.stepps", lambda _: ["check", "demo", "training.stepps=1"]),
    ("tab", 2, "a tab", lambda f: ["check", str(with_files(f, p__yaml=b"data:\n\tx: 1") / "p.yaml")]),
    ("not UTF-8", 2, "0xff", lambda f: ["check", str(with_files(f, p__yaml=b"data: \xff") / "p.yaml")]),
    ("value left open", 2, "data.root", lambda _: ["train", "pix2pix"]),
    # F, checkpoints and models
    ("no run", 2, "nothing-here", lambda f: ["evaluate", str(f / "nothing-here")]),
    ("export of no run", 2, "nothing-here", lambda f: ["export", str(f / "nothing-here")]),
    ("weights flipped", 4, "weights.safetensors", lambda f: damaged(f, "weights.safetensors", flipped)),
    ("weights cut", 4, "weights.safetensors", lambda f: damaged(f, "weights.safetensors", lambda c: c[:-9])),
    ("manifest is no JSON", 4, "manifest.json", lambda f: damaged(f, "manifest.json", lambda c: b"{")),
    ("model missing", 4, "model.onnx", lambda f: applied(f, "model.onnx")),
    ("model is none", 4, "m.onnx", lambda f: applied(with_files(f, m__onnx=b"nothing"), "m.onnx")),
    ("evaluation of an export", 2, ".onnx", lambda f: ["evaluate", str(with_files(f, m__onnx=b"x") / "m.onnx")]),
    ("metrics were not asked for", 2, "metric", lambda f: ["evaluate", str(done(f))]),
]  # fmt: skip


ADVICE = re.compile(
    r"Did you mean '.+'\?"
    r"|\b(?:Keys|Known|Values|Available): \w"
    r"|\b(?:should|must) be \S.* \(got .+\)"
    r"|[;:] (?:add|compare|save|write) \S+ \S+"
    r"|; inside .+ must stand in quotes|; YAML is indented with spaces only"
)
"""What a problem of a pipeline says, which has no line for the fix: what was meant, what is allowed, what to do."""


def wrong_with(code: int, said: str, expected: int, names: str) -> list[str]:
    """What is wrong with an error."""
    lines = said.splitlines()
    start = next((index for index, line in enumerate(lines) if line.startswith("error: ")), None)
    if start is None:
        return [f"exit code {code} and no error block"]
    block = lines[start:]
    text = "\n".join(block)
    wrong = [] if code == expected else [f"exit code {code} for {expected}"]
    wrong += [] if len(block) <= 4 else [f"{len(block)} lines"]
    wrong += [] if names in text else [f"does not name {names}"]
    wrong += ["a traceback"] if "Traceback" in said else []
    wrong += [] if block[-1].startswith("  code: E-") else ["no code"]
    between = [line for line in block[1:-1] if not line.startswith("  where: ")]
    has_fix = any(line.startswith("  fix: ") and len(line) > len("  fix: x") for line in between)
    return wrong + ([] if has_fix or (between and all(map(ADVICE.search, between))) else ["no fix"])


def tried(case: Case, folder: Path, capfd: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    _, expected, names, make = case
    words = make(folder)
    capfd.readouterr()
    code = main(words)
    said = capfd.readouterr().err
    return wrong_with(code, said, expected, names), said


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_the_error_is_short_and_says_what_where_and_how_to_mend_it(case, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.environ.pop("TRANSLATE_DISABLE", None)
    wrong, said = tried(case, tmp_path, capfd)
    assert not wrong, said


@pytest.mark.reliability
def test_how_many_errors_have_the_form(tmp_path, capfd, monkeypatch):
    started = time.perf_counter()
    bad = {}
    for number, case in enumerate(CASES):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        wrong, said = tried(case, folder, capfd)
        if wrong:
            bad[case[0]] = (wrong, said)
    values = {"errors": len(CASES), "in form": len(CASES) - len(bad)}
    record.figure(name="messages", goal="G12", values=values, seed=0, seconds=time.perf_counter() - started)
    print(values)
    assert not bad, bad


def test_what_has_not_the_form_is_noticed():
    right = "error: it is wrong\n  where: file.yaml:1:2\n  fix: mend it\n  code: E-X (README.md#errors)"
    assert not wrong_with(2, right, 2, "file.yaml")
    for said in ("no such key. Did you mean 'a'?", "Input should be a number (got 'x')", "open: add `a=1` to it"):
        assert not wrong_with(2, right.replace("fix: mend it", f"file.yaml:1:2: {said}"), 2, "file.yaml")
    for damage in (
        right.replace("error: ", ""),
        right.replace("  fix: mend it\n", "\n\n\n"),
        right.replace("file.yaml", "somewhere"),
        right + "\nTraceback (most recent call last):",
        right.replace("  code: E-X", "  E-X"),
        right.replace("  fix: mend it\n", ""),
        right.replace("  fix: mend it\n", "  fix: \n"),
        right.replace("  fix: mend it", "  file.yaml:1:2: training.steps: it must not be put so"),
        right.replace("  fix: mend it", "  file.yaml:1:2: no such key. Keys: a.\n  file.yaml:3:2: it must stop"),
    ):
        assert wrong_with(2, damage, 2, "file.yaml")
    assert wrong_with(1, right, 2, "file.yaml")
