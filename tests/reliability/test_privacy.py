"""Checkpoints, exports and reports name nothing of the machine or the person that made them (G15).

A run is made in a place with tell-tale names, on pictures with a tell-tale EXIF block, by a user and on a host with
tell-tale names; then the bytes of what leaves the house are searched, in several encodings.
"""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import record
from keep_checkpoint import PIPELINE
from PIL import Image

from translate.cli import main
from translate.cli.errors import report_folder
from translate.evaluation import evaluate
from translate.exporting import export
from translate.privacy import without_places
from translate.training import state, train
from translate.training.opening import open_trained

TELLING = {"place": "Zq7SecretPlace", "camera": "Zq7SecretCamera", "user": "zq7secretuser", "host": "zq7secrethost"}
_TOPS = b"home|root|tmp|Users|work|var|usr|mnt|opt|private|data"
ABSOLUTE = re.compile(rb"(?<![\w.:/\\])/(?:" + _TOPS + rb")/[\w.-]+|[A-Za-z]:\\\\?Users")


@pytest.fixture(autouse=True)
def telling(monkeypatch, tmp_path):
    assert tmp_path.is_dir()  # pytest asks for the user's name too, once
    monkeypatch.setattr(getpass, "getuser", lambda: TELLING["user"])
    monkeypatch.setattr(socket, "gethostname", lambda: TELLING["host"])
    for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME"):
        monkeypatch.setenv(name, TELLING["user"])


@pytest.fixture
def run(tmp_path):
    """A trained, exported and evaluated run in such a place, on such pictures."""
    home = tmp_path / TELLING["place"]
    exif = Image.Exif()
    exif[0x010F] = exif[0x0110] = TELLING["camera"]
    exif.get_ifd(0x8825)[1] = "N"
    for split in ("train", "test"):
        for side in "AB":
            folder = home / "photos" / split / side
            folder.mkdir(parents=True)
            for index in range(4):
                pixels = np.random.default_rng(index).integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.jpg", exif=exif, comment=TELLING["camera"].encode())
    document = {
        **PIPELINE,
        "data": {"dataset": "paired_folders", "root": str(home / "photos"), "image_size": 16, "workers": 0},
        "training": {**PIPELINE["training"], "preview_every": 1, "observers": ["metrics_file"]},
        "evaluation": {"metrics": {"distance": {"metric": "l1", "of": "fake", "to": "target"}}},
    }
    train(document, out=home / "run")
    return home / "run"


def leaving(run: Path) -> list[Path]:
    """What of a run is given to others: checkpoints, exports, pictures, the evaluation, reports of errors."""
    # The run's own notes, see SECURITY.md.
    own = {"pipeline.yaml", "manifest.json", "examples.json", "bad_images.json", "run.lock"}
    return sorted(path for path in run.rglob("*") if path.is_file() and not (path.parent == run and path.name in own))


def told(files: Iterable[Path]) -> list[str]:
    """Which file tells what."""
    found = []
    for file in files:
        content = file.read_bytes()
        if file.suffix == ".png":  # the texts of a PNG may be compressed
            content += b"".join(_unpacked(content))
        for what, word in TELLING.items():
            forms = (word.encode(), word.encode("utf-16-le"), word.encode().hex().encode())
            if any(form.lower() in content.lower() for form in forms):
                found.append(f"{file.name}: {what}")
        found += [f"{file.name}: {match[0].decode()}" for match in ABSOLUTE.finditer(content)]
        if b"Exif\0\0" in content or b"eXIf" in content:
            found.append(f"{file.name}: EXIF")
    return found


def _unpacked(content: bytes) -> list[bytes]:
    parts = []
    for match in re.finditer(rb"(?:zTXt|iTXt|iCCP)[^\0]*\0+", content):
        try:
            parts.append(zlib.decompressobj().decompress(content[match.end() :]))
        except zlib.error:
            continue
    return parts


def test_nothing_that_leaves_the_house_tells_where_it_was_made(run):
    began = time.perf_counter()
    assert TELLING["camera"].encode() in (run.parent / "photos/train/A/0.jpg").read_bytes()
    export(run)
    evaluate(run, device="cpu")
    made = run / "made"
    words = ["run", str(run / "exports/translate.onnx"), str(run.parent / "photos/test/A"), "--output", str(made)]
    assert main(words) == 0
    files = leaving(run)
    kinds = {path.suffix for path in files}
    assert {".safetensors", ".json", ".onnx", ".png", ".jsonl"} <= kinds
    found = told(files)
    values = {"files": len(files), "bytes": sum(path.stat().st_size for path in files), "found": len(found)}
    record.figure(name="search over the bytes", goal="G15", values=values, seed=0, seconds=time.perf_counter() - began)
    assert not found, found


@pytest.mark.reliability
def test_the_figure_of_the_search(run):
    test_nothing_that_leaves_the_house_tells_where_it_was_made(run)


def test_what_a_checkpoint_does_not_say_is_taken_from_its_run(run, tmp_path):
    (checkpoint,) = (run / "checkpoints").iterdir()
    document = json.loads((checkpoint / "state.json").read_text())["metadata"]["pipeline"]
    assert document["data"]["root"] == "???"
    assert str(open_trained(checkpoint).pipeline.dataset.choices["root"]) == str(run.parent / "photos")
    shutil.copytree(checkpoint, tmp_path / "alone")
    settings = [f"data.root={run.parent / 'photos'}"]
    alone = evaluate(tmp_path / "alone", overrides=settings, device="cpu", output=tmp_path)
    assert alone.values == evaluate(run, device="cpu").values


def test_a_checkpoint_alone_says_what_it_needs(run, tmp_path, capsys):
    (checkpoint,) = (run / "checkpoints").iterdir()
    shutil.copytree(checkpoint, tmp_path / "alone")
    assert open_trained(tmp_path / "alone").step == 2
    assert main(["evaluate", str(tmp_path / "alone"), "--device", "cpu"]) == 2
    text = capsys.readouterr().err
    assert "data.root" in text
    assert "???" in text or "must be given" in text


def test_pictures_that_were_left_out_are_kept_by_their_place_in_the_data():
    dataset = SimpleNamespace(choices={"root": Path("/home/somebody/photos")})
    trainer = SimpleNamespace(pipeline=SimpleNamespace(dataset=dataset))
    found = {"/home/somebody/photos/A/1.png": "1.png in /home/somebody/photos is cut", "/elsewhere/2.png": "bad"}
    kept = state._below_root(trainer, found)
    assert kept == {"???/A/1.png": "1.png in ??? is cut", "2.png": "bad"}
    dataset.choices["root"] = Path("/mnt/photos")
    assert state._in_root(trainer, kept)["/mnt/photos/A/1.png"] == "1.png in /mnt/photos is cut"


def test_the_report_of_our_bug_tells_nothing_either(tmp_path, monkeypatch):
    from translate.cli import commands, listing

    folder = tmp_path / TELLING["place"]
    folder.mkdir()

    def broken(*_, **__):
        raise ZeroDivisionError(f"{folder}/x.png by {TELLING['user']} on {TELLING['host']}")

    monkeypatch.setattr(listing, "default_manager", broken)
    token = report_folder.set(folder)
    try:
        assert main(["list", "losses"]) == 70
    finally:
        report_folder.reset(token)
    (report,) = folder.iterdir()
    assert not told([report])
    text = report.read_text(encoding="utf-8")
    assert "ZeroDivisionError" in text
    assert "…/translate/cli/listing.py" in text
    assert commands.COMMANDS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot read '/home/me/a b/1.png': no", "cannot read '…/a b/1.png': no"),
        (r"C:\Users\me\1.png is bad", "…/1.png is bad"),
        ("get https://example.org/a/b.pth, 1/2 of G(z)/2", "get https://example.org/a/b.pth, 1/2 of G(z)/2"),
        ("data.root=/home/me/photos training.steps=3", "data.root=…/photos training.steps=3"),
        ("weights at ~/.cache/torch/x.pth", "weights at …/x.pth"),
        (f"by {TELLING['user']}@{TELLING['host']}", "by USER@HOST"),
    ],
)
def test_texts_lose_their_places_and_nothing_else(text, expected):
    assert without_places(text) == expected


def test_teeth_a_checkpoint_with_its_paths_and_a_picture_with_its_exif_are_found(run, monkeypatch):
    monkeypatch.setattr(state, "without_paths", lambda resolved, dataset: dict(resolved))
    train(run / "pipeline.yaml", ["training.steps=4"], out=run)
    shutil.copy(run.parent / "photos/train/A/0.jpg", run / "copy.png")
    found = told(leaving(run))
    assert "state.json: place" in found
    assert "copy.png: camera" in found
    assert "copy.png: EXIF" in found
