"""Files that try to run something: a canary shows whether they did (G7; scenarios 51, 56, 57).

Each case plants a file that would create the canary when it is opened carelessly, and opens it the way a user would.
The payloads are shown to work on careless readers first.
"""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import record
import torch
import yaml
from support_strangers import KEPT, forge

from translate.cli import main

Words = Sequence[str]


class Payload:
    """Touches the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


class Plain(Payload):
    """The same with no shell."""

    def __reduce__(self) -> Any:
        return eval, (f"__import__('pathlib').Path({str(self.canary)!r}).touch()",)


def saved(canary: Path, *, kind: type[Payload] = Payload, zipped: bool = True) -> bytes:
    """What `torch.save` makes of weights with a payload among them."""
    content = io.BytesIO()
    torch.save({"w": torch.ones(2), "x": kind(canary)}, content, _use_new_zipfile_serialization=zipped)
    return content.getvalue()


def pickled(canary: Path, protocol: int = 2) -> bytes:
    return pickle.dumps(Payload(canary), protocol)


def run_copy(folder: Path) -> Path:
    shutil.copytree(KEPT[-1], folder / "run")
    (checkpoint,) = (folder / "run" / "checkpoints").iterdir()
    return checkpoint


def _pth(canary: Path, content: bytes, folder: Path, *words: str) -> Words:
    file = folder / "model.pth"
    file.write_bytes(content)
    return [word.replace("FILE", str(file)).replace("OUT", str(folder / "out.safetensors")) for word in words]


IMPORT = ("import-weights", "FILE", "--output", "OUT")


def import_zip(folder: Path, canary: Path) -> Words:
    return _pth(canary, saved(canary), folder, *IMPORT)


def import_legacy(folder: Path, canary: Path) -> Words:
    return _pth(canary, saved(canary, kind=Plain, zipped=False), folder, *IMPORT)


def import_bare_pickle(folder: Path, canary: Path) -> Words:
    return _pth(canary, pickled(canary), folder, *IMPORT)


def import_zip_that_leaves_its_folder(folder: Path, canary: Path) -> Words:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"../../../..{canary}", "written")
        archive.writestr("model/data.pkl", pickled(canary))
        archive.writestr("model/version", "3")
    return _pth(canary, content.getvalue(), folder, *IMPORT)


def export_of_a_pth(folder: Path, canary: Path) -> Words:
    return _pth(canary, saved(canary), folder, "export", "FILE")


def evaluate_a_pth(folder: Path, canary: Path) -> Words:
    return _pth(canary, pickled(canary, 4), folder, "evaluate", "FILE")


def translate_with_a_pth(folder: Path, canary: Path) -> Words:
    return _pth(canary, saved(canary), folder, "run", "FILE", str(folder), "--output", str(folder / "made"))


def weights_of_a_loss(folder: Path, canary: Path) -> Words:
    file = folder / "vgg19.safetensors"
    file.write_bytes(pickled(canary))
    return _pipeline(folder, "loss: l1", f"loss: perceptual\n    weights_file: {file}")


def checkpoint_with_a_pickle_for_weights(folder: Path, canary: Path) -> Words:
    checkpoint = run_copy(folder)
    forge(checkpoint, "weights.safetensors", saved(canary))
    return ["export", str(checkpoint)]


def checkpoint_with_a_pickle_in_its_metadata(folder: Path, canary: Path) -> Words:
    checkpoint = run_copy(folder)
    document = json.loads((checkpoint / "state.json").read_text())
    hidden = base64.b64encode(pickled(canary)).decode()
    for part in (document["metadata"], document["state"]):
        part["hyper_parameters"] = {"$bytes": hidden}
        part["_class_path"] = "os.system"
        part["py/reduce"] = ["os.system", [f"touch {canary}"]]
    document["metadata"]["name"] = {"$pickle": hidden}
    forge(checkpoint, "state.json", json.dumps(document).encode())
    return ["export", str(checkpoint)]


def checkpoint_that_names_code(folder: Path, canary: Path) -> Words:
    checkpoint = run_copy(folder)
    document = json.loads((checkpoint / "state.json").read_text())
    document["metadata"]["pipeline"]["networks"]["G"] = {"generator": "os:system", "makes": f"touch {canary}"}
    forge(checkpoint, "state.json", json.dumps(document).encode())
    return ["export", str(checkpoint)]


def checkpoint_of_links(folder: Path, canary: Path) -> Words:
    checkpoint = run_copy(folder)
    file = checkpoint / "weights.safetensors"
    shutil.move(file, folder / "outside.safetensors")
    file.symlink_to(folder / "outside.safetensors")
    return ["export", str(checkpoint), "--output", f"{canary}.onnx"]  # what is outside would be read, and written there


def _pipeline(folder: Path, old: str, new: str) -> Words:
    text = (KEPT[-1] / "pipeline.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / "p.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return ["train", str(folder / "p.yaml"), "--out", str(folder / "run")]


def yaml_tag(folder: Path, canary: Path) -> Words:
    return _pipeline(folder, "steps: 2", f"steps: !!python/object/apply:os.system ['touch {canary}']")


def dotted_path_as_a_component(folder: Path, canary: Path) -> Words:
    named = f"generator: pathlib.Path.touch\n    _target_: os.system\n    _args_: [touch {canary}]"
    return _pipeline(folder, "generator: stack", named)


def expression_that_calls(folder: Path, canary: Path) -> Words:
    return _pipeline(folder, "fake: G(source, z)", f"""fake: "__import__('os').system('touch {canary}')" """)


def value_that_is_evaluated(folder: Path, canary: Path) -> Words:
    return _pipeline(folder, "steps: 2", f"""steps: "$__import__('os').system('touch {canary}')" """)


def picture_of_objects(folder: Path, canary: Path) -> Words:
    array = np.array([Payload(canary)], dtype=object)
    np.save(folder / "picture.npy", array, allow_pickle=True)
    model = KEPT[-1] / "exports" / "translate.onnx"
    return ["run", str(model), str(folder / "picture.npy"), "--output", str(folder / "made")]


CASES: dict[Callable[[Path, Path], Words], int] = {
    import_zip: 4,
    import_legacy: 4,
    import_bare_pickle: 4,
    import_zip_that_leaves_its_folder: 4,
    export_of_a_pth: 4,
    evaluate_a_pth: 4,
    translate_with_a_pth: 4,
    weights_of_a_loss: 2,
    checkpoint_with_a_pickle_for_weights: 4,
    checkpoint_with_a_pickle_in_its_metadata: 4,
    checkpoint_that_names_code: 5,
    checkpoint_of_links: 4,
    yaml_tag: 2,
    dotted_path_as_a_component: 2,
    expression_that_calls: 2,
    value_that_is_evaluated: 2,
    picture_of_objects: 3,
}
"""Each with its exit code."""

SLOW = (import_legacy, import_bare_pickle, import_zip_that_leaves_its_folder)


def tried(case: Callable[[Path, Path], Words], folder: Path) -> tuple[int, bool]:
    """Exit code, and whether the canary is there."""
    folder.mkdir(exist_ok=True)
    canary = folder / "canary"
    code = main(list(case(folder, canary)))
    return code, any(path.name.startswith("canary") for path in folder.iterdir())


def checked(case: Callable[[Path, Path], Words], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, created = tried(case, folder)
    assert not created, "the canary was created"
    text = capsys.readouterr().err
    assert code == CASES[case], text
    assert "Traceback" not in text
    assert not (folder / "out.safetensors").exists()


@pytest.mark.parametrize("case", [case for case in CASES if case not in SLOW], ids=lambda case: case.__name__)
def test_no_canary_is_created(case, tmp_path, capsys):
    checked(case, tmp_path, capsys)


@pytest.mark.reliability
def test_no_canary_of_all_is_created(tmp_path, capsys):
    began = time.perf_counter()
    for case in CASES:
        checked(case, tmp_path / case.__name__, capsys)
    values = {"hostile files": len(CASES), "canaries created": 0}
    record.figure(name="hostile files", goal="G7", values=values, seed=0, seconds=time.perf_counter() - began)
    assert len(CASES) >= 15


def test_teeth_the_payloads_work_on_careless_readers(tmp_path):
    canary = tmp_path / "canary"

    def fires(work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as exc:
            print(exc)
        found = canary.exists()
        canary.unlink(missing_ok=True)
        return found

    for content in (saved(canary), saved(canary, kind=Plain, zipped=False)):
        assert fires(lambda: torch.load(io.BytesIO(content), weights_only=False))  # noqa: B023
    for protocol in (2, 4):
        assert fires(lambda: pickle.loads(pickled(canary, protocol)))  # noqa: B023, S301
    yaml_tag(tmp_path, canary)
    assert fires(lambda: yaml.unsafe_load((tmp_path / "p.yaml").read_text()))
    picture_of_objects(tmp_path, canary)
    assert fires(lambda: np.load(tmp_path / "picture.npy", allow_pickle=True))
    assert fires(lambda: eval(f"__import__('os').system('touch {canary}')"))  # noqa: S307


def test_teeth_a_careless_import_is_seen(tmp_path, monkeypatch):
    from translate.importing import weights

    def careless(file, folder, memory, seconds):
        torch.load(file, weights_only=False)
        return {"error": "too late"}

    monkeypatch.setattr(weights, "_read_in_child", careless)
    assert tried(import_zip, tmp_path) == (4, True)
