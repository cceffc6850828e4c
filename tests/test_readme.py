"""What the README shows is run here, as it stands there."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import models_table
import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from translate.cli.commands import all_commands
from translate.errors import TranslateError
from translate.pipeline import load_pipeline
from translate.pipeline.checking import check
from translate.plugin_manager import PluginManager
from translate.specs import Image, Label, Spec, Vector

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    assert found, f"the README has no example '{name}'"
    return found.group(1)


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def pairs(folder: Path, count: int = 12) -> Path:
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for side in "AB":
            (folder / split / side).mkdir(parents=True)
            for index in range(count):
                picture = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                PillowImage.fromarray(picture).save(folder / split / side / f"{index}.png")
    return folder


def test_the_pipeline_is_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(example("pipeline"))
    shown = dict(load_pipeline(tmp_path / "mine.yaml").resolved)
    shipped = dict(load_pipeline("pix2pix", ["data.root=photos"]).resolved)
    for section in ("data", "networks", "flow", "losses", "turns", "training", "preview", "export"):
        assert shown[section] == shipped[section], section


def test_the_table_of_models_is_made_from_the_files():
    assert models_table.with_table(TEXT) == TEXT, "run `python tests/support/models_table.py`"
    assert "| `cyclegan` |" in TEXT


def test_every_command_exists_and_every_setting_is_one():
    commands = [shlex.split(line) for line in shell_lines() if line.startswith("translate ")]
    assert len(commands) >= 7
    for words in commands:
        words = words[: words.index(">")] if ">" in words else words
        assert words[1] in all_commands(), words
        settings = [word for word in words[2:] if "=" in word and not word.startswith("-")]
        if words[1] in {"train", "check", "show"}:
            load_pipeline(words[2], ["data.root=photos", *settings])


TABLE = re.findall(r"^\| (\w[^|]+) \| (.*`.*) \|$", TEXT, re.MULTILINE)


FALLING = "{schedule: linear, initial: 2.0e-4, final: 0, start: 40000, end: 80000}"
PAIRS = {"source": Image(3, 256, 256), "target": Image(3, 256, 256)}
DIGITS = {"image": Image(1, 28, 28), "label": Label(10)}
POINTS = {"point": Vector(2), "centre": Vector(2), "sigma": Vector(1)}
TRUNK = [
    "networks.D.layers=[fc1]",
    "networks.trunk={discriminator: stack, init_std: null, layers: [fc64 leaky]}",
]


def sides(real: str, fake: str) -> list[str]:
    return [f"losses.adversarial.real={real}", f"losses.adversarial.fake={fake}"]


def penalised(name: str, loss: str, point: str) -> list[str]:
    term = f"{{loss: {loss}, of: 'D(source, {name})', at: {name}, weight: 10}}"
    return [point, f"losses.{name}={term}", "networks.D.norm=instance"]


CHANGES: dict[str, tuple[str, Mapping[str, Spec], list[str]]] = {
    row: (pipeline, fields, settings)
    for pipeline, fields, rows in (
        (
            "pix2pix",
            PAIRS,
            {
                "another adversarial loss": ["losses.adversarial.loss=lsgan"],
                "a gradient penalty": penalised("between", "gradient_penalty", "flow.between=mix(target, fake)"),
                "five critic steps": ["turns={discriminators: 5}"],
                "spectral norm, in any network": ["networks.D.weights=spectral"],
                "R1": penalised("point", "r1", "flow.point=leaf(target)"),
                "augmentation that reaches both players": sides(
                    "D(augment(concat(source, target)))", "D(augment(concat(source, fake)))"
                ),
                "instance noise that fades": [
                    "schedules.fading={schedule: linear, initial: 0.1, final: 0.0, end: 1000}",
                    *sides("D(source, noise(target, fading))", "D(source, noise(fake, fading))"),
                ],
                "label noise, one-sided smoothing": [
                    "losses.adversarial.label_noise=0.05",
                    "losses.adversarial.smoothing=0.1",
                ],
                "a discriminator that waits while it is ahead": [
                    "turns={discriminators: {skip_below: {adversarial: 0.3}, most_skips: 20}, generators: 1}"
                ],
                "latents drawn anew for the generators": ["turns={discriminators: 1, generators: {fresh: true}}"],
                "WGAN's critic steps": [
                    "turns={discriminators: {steps: {schedule: bursts, value: 5, burst: 100, first: 25, every: 500}}}"
                ],
                "a label or a code in any network": [
                    "latents.z={latent: normal, size: 8}",
                    "flow.fake=G(source, z)",
                    "export.translate.inputs=[source, z]",
                ],
                "three patch discriminators, features to match": [
                    "networks.D.scales=3",
                    "networks.D.features=true",
                    "flow.judged=D(source, fake)",
                    "flow.truth=D(source, target)",
                    *sides("truth.logits", "judged.logits"),
                    "losses.matching={loss: feature_matching, of: judged.features, to: truth.features, weight: 10}",
                ],
                "a term for one side only": ["losses.again={loss: l2, of: fake, to: target, side: generators}"],
                "a cycle": [
                    "networks.G_ba={generator: unet, makes: source}",
                    "flow.again=G_ba(fake)",
                    "losses.cycle={loss: l1, of: again, to: source, weight: 10}",
                ],
                "a history of fakes": sides("D(concat(source, target))", "D(pool(concat(source, fake), size=50))"),
                "weight clipping": [
                    "training.optimizers.discriminators={name: rmsprop, lr: 5.0e-5, clip_weights: 0.01}"
                ],
                "a falling learning rate": [f"training.optimizers.generators.lr={FALLING}"],
                "averaged generators": ["training.ema={decay: 0.999}"],
                "less memory": ["training.batch_size=8", "training.accumulate=4"],
                "two GPUs": ["training.devices=2", "training.batch_size=2"],
                "a later phase": ["phases=[{start: 10000, losses: {reconstruction: {weight: 10}}}]"],
                "its batches, fresh optimisers": [
                    "phases=[{start: 10000, training: {batch_size: 8, reset_optimizers: true}}]"
                ],
            },
        ),
        (
            "mixture",
            POINTS,
            {
                "minibatch stddev at any place": [
                    *TRUNK,
                    *sides("D(minibatch_stddev(trunk(point)))", "D(minibatch_stddev(trunk(fake)))"),
                ],
                "minibatch discrimination": [
                    *TRUNK,
                    "networks.M={discriminator: minibatch_discrimination}",
                    *sides("D(M(trunk(point)))", "D(M(trunk(fake)))"),
                ],
                "a discriminator that sees several examples at once": sides(
                    "D(pack(point, count=2))", "D(pack(fake, count=2))"
                ),
                "experience replay": ["losses.adversarial.fake=D(replay(fake, size=1000, share=0.5))"],
            },
        ),
        ("stylegan", {"image": Image(3, 32, 32)}, {"codes moved towards their mean outside training": []}),
        ("progan", {"image": Image(3, 64, 64)}, {"a network that grows, in any GAN": []}),
        ("aae", DIGITS, {"your own turns": []}),
    )
    for row, settings in rows.items()
}


def test_every_row_of_the_table_of_changes_is_tried():
    table = TEXT.split("| you want | you write |\n|---|---|\n")[1].split("\n\n")[0]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()] == sorted(CHANGES, key=table.find)


@pytest.mark.parametrize("row", CHANGES)
def test_the_table_of_changes_is_true(row):
    pipeline, fields, settings = CHANGES[row]
    try:
        check(load_pipeline(pipeline, ["data.root=photos", *settings] if pipeline != "mixture" else settings), fields)
    except TranslateError as exc:
        pytest.fail(f"{row}: {exc}")


def test_the_plugin_works_and_passes_the_kit(tmp_path, monkeypatch):
    from translate.testing import check_component

    (tmp_path / "my_losses.py").write_text(example("plugin"))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("my_losses")
    manager = PluginManager()
    manager.load_entry_points()
    manager.register(module, name="my_losses")
    check_component("loss", "charbonnier", manager=manager)
    change = "losses.reconstruction={loss: charbonnier, of: fake, to: target, weight: 100}"
    load_pipeline("pix2pix", ["data.root=photos", change], catalogue=manager.catalogue)
    with pytest.raises(TranslateError, match="Did you mean 'eps'"):
        load_pipeline("pix2pix", ["data.root=x", change.replace("to:", "epps: 1, to:")], catalogue=manager.catalogue)
    sys.modules.pop("my_losses")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A few steps of pix2pix on the command line, as the README says it."""
    from translate.cli import main

    folder = tmp_path_factory.mktemp("readme")
    pairs(folder / "photos")
    small = [
        *(f"networks.{name}.width=4" for name in "GD"),
        *("networks.D.receptive_field=16", "data.image_size=32", "data.transforms=[HorizontalFlip]"),
        *("training.steps=3", "training.observers=[metrics_file]", "data.workers=0"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in (
            ["check", "pix2pix", "data.root=photos", *small],
            ["train", "pix2pix", "data.root=photos", *small, "--out", "runs/photos"],
            ["evaluate", "runs/photos"],
            ["export", "runs/photos"],
            ["run", "runs/photos/exports/translate.onnx", "photos/test/A", "--output", "translated"],
        ):
            patch.setattr(sys, "argv", ["translate", *words])
            code = run(main)
            assert code == 0, words
    return folder


def run(main) -> int:
    try:
        code = main()
    except SystemExit as exc:
        code = exc.code
    return int(code or 0)


def test_the_commands_make_pictures(trained):
    assert len(list((trained / "translated").glob("*.png"))) == 12


def test_the_onnx_example_runs_without_us(trained, monkeypatch):
    file = trained / "runs" / "photos" / "exports" / "translate.onnx"
    (trained / "translate.onnx").write_bytes(file.read_bytes())
    (trained / "input.png").write_bytes((trained / "photos" / "test" / "A" / "3.png").read_bytes())
    code = example("onnx")
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(lines) <= 10
    assert "translate" not in {word for line in code.splitlines() if "import" in line for word in line.split()}
    monkeypatch.chdir(trained)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102  our own README
    made = np.asarray(PillowImage.open(trained / "output.png"))
    same = np.asarray(PillowImage.open(trained / "translated" / "3.png"))
    assert made.shape == (32, 32, 3)
    assert np.array_equal(made, same)


def test_the_python_example_names_what_exists():
    import translate

    block = next(b for b in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "translate.load_pipeline" in b)
    for name in re.findall(r"translate\.(\w+)\(", block):
        assert callable(getattr(translate, name))
    assert torch.__version__


def test_the_exit_codes_are_those_of_the_errors():
    from translate import errors

    documented = {int(code) for code in re.findall(r"^\| (\d+) \| ", TEXT, re.MULTILINE)}
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.TranslateError)]
    assert {kind.exit_code for kind in kinds} | {0} == documented
