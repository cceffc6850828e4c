"""16 bits and any number of channels, from a folder of pictures to the translated ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from translate.cli import main
from translate.exporting import export_report
from translate.pictures import write_picture
from translate.training.opening import open_trained

PIPELINE: dict[str, Any] = {
    "data": {
        "dataset": "paired_folders",
        "root": "???",
        "image_size": 8,
        "workers": 0,
        "transforms": ["HorizontalFlip"],
    },
    "networks": {
        "G": {"generator": "unet", "width": 4, "depth": 1, "norm": "none", "makes": "target"},
        "D": {"discriminator": "patchgan", "width": 4, "receptive_field": 16, "norm": "none"},
    },
    "flow": {"fake": "G(source)"},
    "losses": {
        "adversarial": {"loss": "lsgan", "real": "D(source, target)", "fake": "D(source, fake)"},
        "reconstruction": {"loss": "l1", "of": "fake", "to": "target", "weight": 10},
    },
    "training": {"steps": 2, "batch_size": 2, "preview_every": 1, "preview_count": 2, "checkpoint_every": 2},
    "preview": ["source", "fake", "target"],
    "evaluation": {"split": "test", "metrics": {"distance": {"metric": "l1", "of": "fake", "to": "target"}}},
    "export": {"translate": {"inputs": ["source"], "output": "fake"}},
}


def pictures(folder: Path, suffix: str, channels: int, dtype: Any) -> None:
    for split in ("train", "test"):
        (folder.parent / split / folder.name).mkdir(parents=True, exist_ok=True)
        for index in range(3):
            unit = np.random.default_rng([channels, index]).random((8, 8, channels), dtype=np.float32)
            array = unit if dtype == np.float32 else (unit * np.iinfo(dtype).max).astype(dtype)
            write_picture(folder.parent / split / folder.name / f"{index}{suffix}", array)


@pytest.mark.parametrize(
    ("source", "target", "file"),
    [
        ((".npy", 2, np.uint16), (".npy", 5, np.float32), ("uint16", 2, "uint16", 5, ".npy")),
        ((".png", 1, np.uint8), (".png", 3, np.uint16), ("uint8", 1, "uint16", 3, ".png")),
    ],
    ids=["arrays", "grey to deep colour"],
)
def test_from_folder_to_folder(tmp_path: Path, source: Any, target: Any, file: Any, capsys: Any) -> None:
    pictures(tmp_path / "data/A", *source)
    pictures(tmp_path / "data/B", *target)
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(PIPELINE))
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "p.yaml"), f"data.root={tmp_path / 'data'}", "--out", str(run)]) == 0
    opened = open_trained(run)
    specs = opened.game.fields
    assert (specs["source"].channels, specs["target"].channels) == (source[1], target[1])
    assert (specs["source"].bits, specs["target"].bits) == (8 if source[2] == np.uint8 else 16, 16)
    for grid in sorted((run / "samples").iterdir()):
        with Image.open(grid) as image:
            assert image.mode == "RGB"
            assert len(image.getcolors(10**6)) > 50
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    assert list(run.glob("evaluation-test-*.png"))
    report = export_report(opened)
    takes, makes = (json.loads(report.metadata[key])[0] for key in ("inputs", "outputs"))
    assert (takes["dtype"], takes["channels"], makes["dtype"]) == (*file[:2], file[2])
    out = tmp_path / "out"
    assert main(["run", str(report.file), str(tmp_path / "data/test/A"), "--output", str(out)]) == 0
    assert "3 of 3 pictures" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [f"{index}{file[4]}" for index in range(3)]
    path = str(out / f"0{file[4]}")
    made = np.load(path) if file[4] == ".npy" else cv2.imread(path, cv2.IMREAD_UNCHANGED)
    assert made.shape == (8, 8, file[3])
    assert made.dtype == np.uint16
    assert len(np.unique(made & 0xFF)) > 50, "not only the levels of 8 bits"
