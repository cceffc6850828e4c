"""Bad plugins: real distributions with metadata in a folder of their own, and one small training that needs them.

Every fixture is a package of two modules: `__init__` lists components (and may be what breaks), `parts` has them.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import support_forks
import torch
import yaml

STEPS: Final = 6
FAILS_AT: Final = 4

GOOD: Final[dict[str, Any]] = {
    "description": "A small training that needs no plugin.",
    "data": {"dataset": "drawn", "image_size": 16, "transforms": [], "workers": 0},
    "schedules": {"fading": {"schedule": "constant", "value": 1.0}},
    "latents": {"z": {"latent": "normal", "size": 2}},
    "networks": {
        "G": {"generator": "resnet", "makes": "target", "width": 4, "blocks": 1},
        "D": {"discriminator": "patchgan", "width": 4, "receptive_field": 16},
    },
    "flow": {"fake": "G(source, z)"},
    "losses": {
        "adversarial": {"loss": "lsgan", "real": "D(source, target)", "fake": "D(source, fake)"},
        "reconstruction": {"loss": "l1", "of": "fake", "to": "target", "weight": "fading"},
    },
    "training": {
        "steps": STEPS,
        "batch_size": 2,
        "checkpoint_every": 100,
        "log_every": 1,
        "preview_every": 0,
        "device": "cpu",
        "observers": ["metrics_file"],
    },
}

LISTING: Final = """
from translate import Component, hookimpl

@hookimpl
def translate_components():
    yield Component(kind="{kind}", name="{name}", target="{package}.parts:thing", summary="A bad one.")
"""

HEAD: Final = """
import torch
from torch import nn

class Calls:
    made = 0

def now(tensor):
    '''Whether this is a real call late in the training.'''
    if tensor.device.type == "meta":
        return False
    Calls.made += 1
    return Calls.made >= {fails_at}
"""

GENERATOR: Final = """
from translate import Image, Spec, Vector

class Net(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Conv2d(channels, 3, 3, padding=1)
    def forward(self, source, z):
        result = self.layer(source)
{body}
        return result

def thing(source: Image, z: Vector, /, *, makes: Image) -> nn.Module:
    '''A network.

    Args:
        source: The picture.
        z: Noise.
        makes: The picture to make.
    '''
    return Net(source.channels)
"""

LOSS: Final = """
from torch import Tensor

def thing(of: Tensor, to: Tensor) -> Tensor:
    '''A loss.

    Args:
        of: The output.
        to: The target.
    '''
    value = (of - to).abs().mean()
{body}
    return value
"""

OPERATION: Final = """
from torch import Tensor

def thing(image: Tensor, /) -> Tensor:
    '''An operation.'''
    result = image * 1.0
{body}
    return result
"""


@dataclass(frozen=True)
class Bad:
    """A bad plugin.

    Attributes:
        name: Of the fixture; the distribution is `acme-NAME`, the package `acme_NAME`.
        kind: Of its component, which is called `thing_NAME`.
        init: Its `__init__`; the listing of the component by default.
        parts: Its `parts` module.
        uses: What it needs in the pipeline: dotted path to value.
        says: What the error must say, besides distribution and version.
        code: Exit code of a training that needs it.
        step: Where it fails in the loop; the step before must be saved. None: before the loop.
        requires: Requirements in the metadata.
        twice: Whether a second distribution has the same component.
    """

    name: str
    kind: str = "loss"
    init: str = ""
    parts: str = ""
    uses: Mapping[str, Any] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    code: int = 5
    step: int | None = None
    requires: tuple[str, ...] = ()
    twice: bool = False

    @property
    def distribution(self) -> str:
        return f"acme-{self.name}"

    @property
    def package(self) -> str:
        return f"acme_{self.name.replace('-', '_')}"

    @property
    def component(self) -> str:
        return f"thing_{self.name.replace('-', '_')}"


def _parts(template: str, body: str, fails_at: int = FAILS_AT) -> str:
    indent = "        " if template is GENERATOR else "    "
    return HEAD.format(fails_at=fails_at) + template.format(body=textwrap.indent(textwrap.dedent(body).strip(), indent))


def _generator(name: str, body: str, **more: Any) -> Bad:
    # Called twice in a step: for the discriminator, and for itself where the graph is not kept.
    return Bad(name, "generator", parts=_parts(GENERATOR, body), uses={"networks.G": "network"}, **more)


def _loss(name: str, body: str, **more: Any) -> Bad:
    return Bad(name, "loss", parts=_parts(LOSS, body), uses={"losses.reconstruction.loss": "name"}, **more)


def _operation(name: str, body: str, **more: Any) -> Bad:
    return Bad(name, "operation", parts=_parts(OPERATION, body), uses={"losses.reconstruction.of": "call"}, **more)


_AT = {"step": FAILS_AT}

BAD: Final = (
    # -- at import
    _loss("import-error", "", init="import a_package_that_nobody_has", says=("ModuleNotFoundError", "pip install")),
    _loss("syntax-error", "", init="def translate_components(:", says=("SyntaxError", "pip install")),
    _loss("system-exit", "", init="import sys\nsys.exit(3)", says=("SystemExit: 3", "pip install")),
    _loss("hook-raises", "", init="from translate import hookimpl\n@hookimpl\ndef translate_components():\n    1 / 0",
          says=("ZeroDivisionError",)),
    _loss("not-marked", "", init="def translate_components():\n    return []", says=("is not marked with",)),
    _loss("parts-import-error", "", says=("ImportError: no such thing",)),
    _loss("other-version", "", requires=("translate-images>=99",), says=("it needs translate-images >=99, this is",)),
    _loss("clash", "", twice=True, says=("'clash/thing_clash' or 'clash2/thing_clash'",)),
    # -- before the loop
    _generator("always-shape", "result = result[:, :2]", says=("asked to make", "gave 2x16x16")),
    _generator("always-none", "result = None", says=("gave None",)),
    _generator("always-raises", "raise KeyError('no luck')", says=("no luck",)),
    _loss("always-int", "value = value.int()", says=("floating-point",)),
    _loss("always-in-place", "of.mul_(0.5)", says=("in place",)),
    # -- in the loop, at a step
    _loss("raises", "if now(of): raise ValueError('no more\\nsecond line')", says=("ValueError: no more",), **_AT),
    _loss("exits", "if now(of): raise SystemExit", says=("SystemExit",), **_AT),
    _generator("shape", "if now(source): result = result[:, :, :8]", says=("gave 3x8x16", "3x16x16"), **_AT),
    _generator("dtype", "if now(source): result = result.double()", says=("gave float64",), **_AT),
    _generator("none", "if now(source): return None", says=("gave None",), **_AT),
    _loss("loss-none", "if now(of): return None", says=("None",), **_AT),
    _loss("loss-shape", "if now(of): value = (of - to).abs()", says=("single number",), **_AT),
    _operation("in-place", "if now(image): image.mul_(0)", says=("in place",), **_AT),
    _loss("backward", """
        class Bad(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.clone()
            @staticmethod
            def backward(ctx, grad):
                raise OSError("no gradient today")
        if now(of): value = Bad.apply(value)
        """, says=("no gradient today", "gradient of turn"), **_AT),
    _loss("nan", "if now(of): value = value * float('nan')", code=7, says=("reconstruction",)),
    Bad("latent", "latent", parts=HEAD.format(fails_at=FAILS_AT) + """
from translate import Vector

class thing:
    '''A latent.

    Args:
        size: Numbers.
    '''
    def __init__(self, *, size: int = 2) -> None:
        self.spec = Vector(size)
    def sample(self, count, *, generator, device):
        drawn = torch.randn(count, 2, generator=generator, device=device)
        return drawn[:, :1] if now(drawn) else drawn
""", uses={"latents.z": "component"}, says=("it drew 1",), **_AT),
    Bad("schedule", "schedule", parts="""
class thing:
    '''A schedule.

    Args:
        value: Of it.
    '''
    def __init__(self, *, value: float = 1.0) -> None:
        self.value = value
    def __call__(self, step: int) -> float:
        return None if step == 3 else self.value
""", uses={"schedules.fading": "component"}, says=("finite number (got None)",), **_AT),
    Bad("observer", "observer", parts="""
from translate import hookimpl

class thing:
    '''An observer.'''
    @hookimpl
    def translate_step_finished(self, step):
        if step == 4:
            raise RuntimeError("saw enough")
""", uses={"training.observers": "list"}, says=("RuntimeError: saw enough", "at step 4")),
)  # fmt: skip

QUIET: Final = (
    _loss("prints", "", init="print('HELLO FROM A PLUGIN')\n", code=0),
    _loss("slow", "", init="import time\ntime.sleep(3.2)\n", code=0),
)
"""Plugins that work, and misbehave at import only."""


def install(bad: Bad, site: Path) -> Path:
    """Write a distribution, as an installer would, into a folder; returns the folder."""
    write(bad, site, bad.distribution, bad.name, bad.package)
    if bad.twice:
        write(bad, site, f"{bad.distribution}2", f"{bad.name}2", f"{bad.package}2")
    return site


def write(bad: Bad, site: Path, distribution: str, plugin: str, package: str) -> None:
    listing = LISTING.format(kind=bad.kind, name=bad.component, package=package)
    init = bad.init + listing if not bad.init or bad.code == 0 else bad.init
    parts = "raise ImportError('no such thing')" if bad.name == "parts-import-error" else bad.parts
    folder, info = site / package, site / f"{package}-2.5.dist-info"
    folder.mkdir(parents=True)
    info.mkdir()
    (folder / "__init__.py").write_text(init)
    (folder / "parts.py").write_text(parts)
    requires = "".join(f"Requires-Dist: {line}\n" for line in bad.requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n{requires}")
    (info / "entry_points.txt").write_text(f"[translate]\n{plugin} = {package}\n")


def needing(bad: Bad) -> dict[str, Any]:
    """The small training with the plugin's component in it."""
    document: dict[str, Any] = yaml.safe_load(yaml.safe_dump(GOOD))
    forms = {
        "name": bad.component,
        "call": f"{bad.component}(fake)",
        "component": {bad.kind: bad.component},
        "network": {bad.kind: bad.component, "makes": "target"},
        "list": [bad.component],
    }
    for dotted, how in bad.uses.items():
        *above, last = dotted.split(".")
        holder = document
        for part in above:
            holder = holder[part]
        holder[last] = forms[how]
    return document


def with_site(site: Path | None, words: list[str], *, naive: bool = False) -> Callable[..., int]:
    """The work of a child: a command line where the distributions of a folder are installed too.

    Args:
        site: The folder; None for none.
        words: As after `translate`.
        naive: Load plugins as pluggy does, without a guard (the planted weakness).
    """

    def work(*_: Any) -> int:
        from translate import plugin_manager
        from translate.cli import main

        if site is not None:
            sys.path.insert(0, str(site))
            importlib.invalidate_caches()
        plugin_manager._manager_without.cache_clear()
        if naive:
            plugin_manager.PluginManager._guarded = lambda self, load, provider: self._load(load(), provider)
        sys.argv = ["translate", *words]
        return main(words)

    return work


@cache
def warm() -> None:
    """Import what a training needs, once and in this process, so that its forked children begin at once."""
    from translate.training import train

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        train(GOOD, ["training.steps=1"], out=Path(folder) / "warm")


def translate(site: Path | None, *words: object, log: Path, naive: bool = False) -> tuple[int, str]:
    """Run a command line in a forked child; returns the exit code and all that it wrote."""
    warm()
    os.environ.pop("TRANSLATE_DISABLE", None)
    child = support_forks.start(with_site(site, [str(word) for word in words], naive=naive), log)
    return child.wait(60.0), child.text
