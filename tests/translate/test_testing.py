"""The conformance kit: every built-in component passes it, and every rule bites on a component that breaks it."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import samples_datasets
import samples_losses
import samples_metrics
import samples_networks
import samples_operations
import torch
from torch import Tensor, nn

from translate import Component, Image, Vector, hookimpl
from translate.plugin_manager import OWN_DISTRIBUTION, PluginManager, default_manager
from translate.testing import Sample, check_component, check_plugin
from translate.testing.rules import Sample as SampleOfRules

IMAGE = Image(3, 32, 32)
LATENT = Vector(8)

# Small values for what would be slow, and those that have no default. Everything else is made up by the kit.
SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("operation", "resize"): {"choices": {"size": 8}},
    ("schedule", "constant"): {"choices": {"value": 1.0}},
    ("schedule", "linear"): {"choices": {"initial": 1.0, "final": 0.0, "end": 10}},
    ("schedule", "cosine"): {"choices": {"initial": 1.0, "final": 0.0, "end": 10}},
    ("schedule", "steps"): {"choices": {"values": [1.0, 0.5], "boundaries": [10]}},
    ("schedule", "cycle"): {"choices": {"values": [1.0, 0.5]}},
    ("schedule", "growth"): {"choices": {"stages": 4, "stable": 10, "fade": [5, 0, 990]}},
    ("schedule", "bursts"): {"choices": {"value": 5.0, "burst": 100.0, "first": 25, "every": 500}},
    **samples_datasets.SAMPLES,
    **samples_losses.SAMPLES,
    **samples_metrics.SAMPLES,
    **samples_networks.SAMPLES,
    **samples_operations.SAMPLES,
}
SMALL: dict[str, Any] = {"width": 8, "blocks": 1, "max_width": 16}


def built_in() -> list[tuple[str, str]]:
    entries = default_manager().catalogue.entries
    return [(entry.kind, entry.name) for entry in entries if entry.provider.distribution == OWN_DISTRIBUTION]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Any:
    """Six pictures in each layout that a built-in dataset reads."""
    return samples_datasets.lay_out(tmp_path_factory.mktemp("pictures"))


def sample_of(kind: str, name: str) -> dict[str, Any]:
    sample = dict(SAMPLES.get((kind, name), {}))
    if kind in {"generator", "discriminator"}:
        known = {choice.name for choice in default_manager().catalogue.find(kind, name).schema.choices}
        sample["choices"] = {**{key: SMALL[key] for key in SMALL if key in known}, **sample.get("choices", {})}
    return sample


@pytest.mark.parametrize(("kind", "name"), built_in())
def test_every_built_in_component_conforms(kind, name, pictures):
    sample = sample_of(kind, name)
    choices = {choice.name: choice for choice in default_manager().catalogue.find(kind, name).schema.choices}
    if kind == "dataset" and "root" in choices and choices["root"].required:
        sample.setdefault("choices", {})["root"] = str(pictures / samples_datasets.ROOTS.get(name, ""))
    check_component(kind, name, **sample)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [pair for pair in built_in() if pair[0] in {"generator", "discriminator"}])
def test_every_built_in_network_gives_the_same_in_onnxruntime(kind, name):
    check_component(kind, name, onnx=True, **sample_of(kind, name))


# ---- planted components: a good one of each kind, and one for each way to break a rule ----


class Network(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def good_network(source: Image, /, *, makes: Image, width: int = 4) -> nn.Module:
    """Build a network.

    Args:
        source: The input.
        makes: What it makes.
        width: Ignored.
    """
    return Network(makes.channels)


def network(body: type[nn.Module]) -> Any:
    def factory(source: Image, /) -> nn.Module:
        """Build a network."""
        return body(3)

    return factory


class UnusedLayer(Network):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.unused = nn.Conv2d(3, 3, 1)


class NotFinite(Network):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) / 0


class Unseeded(Network):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(id(self) % 2**31)) if (
            self.layer.weight.device.type == "cpu"
        ) else None


class HiddenState(Network):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.secret = torch.rand(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.secret


class KeptState(HiddenState):
    """Hand out what it hides, as PyTorch's modules do."""

    def get_extra_state(self) -> Any:
        return {"secret": self.secret, "note": (1, "a")}

    def set_extra_state(self, state: Any) -> None:
        self.secret = state["secret"]


class SetState(KeptState):
    def get_extra_state(self) -> Any:
        return {"secret": self.secret, "seen": {1, 2}}


class RefusesState(KeptState):
    def set_extra_state(self, state: Any) -> None:
        self.secret = state["another"]


class ReadsValues(Network):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        if float(self.layer.weight.detach().sum()) > 1e9:
            raise ValueError


class OtherInExport(Network):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * (2 if torch.compiler.is_exporting() else 1)


class Dead(Network):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x) - 1e6)


class Nothing(Network):
    def forward(self, x: Tensor) -> None:
        return None


def wrong_channels(source: Image, /, *, makes: Image) -> nn.Module:
    """Build a network.

    Args:
        makes: What it should make.
    """
    return Network(makes.channels + 1)


def not_a_module(source: Image, /) -> Any:
    """Build nothing."""
    return lambda x: x


def good_loss(of: Tensor, to: Tensor, *, power: int = 2) -> Tensor:
    """Compare.

    Args:
        power: Of the difference.
    """
    return (of - to).abs().pow(power).mean()


def loss_with_dimensions(of: Tensor) -> Tensor:
    """Not a number."""
    return of.mean((1, 2, 3))


def loss_not_finite(of: Tensor) -> Tensor:
    """Infinite."""
    return of.mean() / 0


def loss_cut(of: Tensor, to: Tensor) -> Tensor:
    """Cut `to`."""
    return (of - to.detach()).abs().mean()


def loss_random(of: Tensor) -> Tensor:
    """Random."""
    return of.mean() * np.random.default_rng().random()


class OneBadSide:
    """The generator's side is wrong."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return (real - fake).pow(2).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return fake


def good_operation(x: Tensor, /) -> Tensor:
    """Double."""
    return 2 * x


def operation_reads(x: Tensor, /) -> Tensor:
    """Read the device."""
    return x * float(x.sum())


class GoodMemory(nn.Module):
    """Return what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", torch.zeros(()))

    def forward(self, x: Tensor, /) -> Tensor:
        old, self.last = self.last, x.detach().mean()
        return x + old.to(x.device) if x.device.type != "meta" else x

    def live(self, x: Tensor) -> Tensor:
        return x


class Forgetful(nn.Module):
    """Keep the state outside of buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor, /) -> Tensor:
        self.calls += 1
        return x + self.calls


class DeadLive(GoodMemory):
    """Cut the gradient where it is wanted."""

    def live(self, x: Tensor) -> Tensor:
        return x.detach()


class PlainClass:
    """Not a module."""

    def forward(self, x: Tensor, /) -> Tensor:
        return x


class GoodLatent:
    """Draw."""

    spec = Vector(4)

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn(count, 4, generator=generator, device=device)


class GlobalLatent(GoodLatent):
    """Draw from the global generator."""

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn(count, 4)


class ConstantLatent(GoodLatent):
    """Draw nothing."""

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.zeros(count, 4)


class DrawnLatent(GoodLatent):
    """Draw a scale once, from the generators that a training seeds for it."""

    def __init__(self) -> None:
        self.scale = float(np.random.rand() + random.random() + torch.rand(()).item())  # noqa: NPY002

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
        return self.scale * torch.randn(count, 4, generator=generator, device=device)


class UnseededLatent(DrawnLatent):
    """Draw a scale once, from the system."""

    def __init__(self) -> None:
        self.scale = float(np.random.default_rng().random())


class UnseededSchedule:
    """Draw a value once, from the system."""

    def __init__(self) -> None:
        self.value = random.SystemRandom().random()

    def __call__(self, step: int) -> float:
        return self.value


class UnseededLoss:
    """Draw a direction once, from the system."""

    def __init__(self) -> None:
        self.direction = torch.from_numpy(np.random.default_rng().random((3, 1, 1), np.float32))

    def generator(self, of: Tensor, to: Tensor) -> Tensor:
        return ((of - to) * self.direction).square().mean()


class WrongShape(GoodLatent):
    """Draw one too many."""

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn(count, 5, generator=generator)


class GoodSchedule:
    """Stay."""

    def __call__(self, step: int) -> float:
        return 1 / (1 + step)


class IntegerSchedule:
    """Count."""

    def __call__(self, step: int) -> float:
        return step


class InfiniteSchedule:
    """Explode."""

    def __call__(self, step: int) -> float:
        return float("inf") if step > 1000 else 1.0


class CountingSchedule:
    """Depend on the calls."""

    calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return float(self.calls)


def good_metric(of: Tensor, to: Tensor) -> Tensor:
    """Compare."""
    return (of - to).abs().mean((1, 2, 3))


def metric_infinite(of: Tensor, to: Tensor) -> Tensor:
    """Divide by the difference."""
    return 1 / (of - to).abs().mean((1, 2, 3))


def metric_mean(of: Tensor, to: Tensor) -> Tensor:
    """Average over the batch."""
    return (of - to).abs().mean()


class GoodClassMetric:
    """Collect."""

    def __init__(self) -> None:
        self.total = 0.0

    def update(self, of: Tensor, to: Tensor) -> None:
        self.total += float((of - to).abs().mean())

    def compute(self) -> float:
        return self.total


class TensorClassMetric(GoodClassMetric):
    """Return a tensor."""

    def compute(self) -> float:
        return torch.tensor(self.total)  # type: ignore[return-value]


class Pictures:
    fields: Mapping[str, Any] = {"image": Image(3, 32, 32)}
    array = np.zeros((32, 32, 3), np.uint8)

    def __len__(self) -> int:
        return 3

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Any]:
        return {"image": self.array + generator.integers(0, 9, dtype=np.uint8)}

    def name(self, index: int) -> str:
        return f"{index:03}"


def dataset(**members: Any) -> Any:
    def factory(request: Any, /) -> Any:
        """Give pictures."""
        return type("Planted", (Pictures,), members)()

    return factory


def finishing(finish: Any) -> Any:
    """A dataset that makes a field of 2 x 2 pixels from its picture."""
    fields = {**Pictures.fields, "hole": Image(3, 2, 2)}
    return dataset(fields=fields, finished=("hole",), finish=finish)


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng().random(shape, np.float32)


class GoodObserver:
    """Listen."""

    @hookimpl
    def translate_step_finished(self, step: int) -> None:
        """Hear."""


class UnmarkedObserver:
    """Listen without the marker."""

    def translate_step_finished(self, step: int) -> None:
        """Hear nothing."""


class MisspeltObserver:
    """Listen to nothing."""

    @hookimpl
    def translate_step_finnished(self, step: int) -> None:
        """Hear nothing."""


class DeafObserver:
    """Listen to nothing at all."""


class GreedyObserver(GoodObserver):
    """Supply components."""

    @hookimpl
    def translate_components(self) -> list[Component]:
        return []


def undocumented(source: Image, /) -> nn.Module:
    return Network(3)


def undescribed(source: Image, /, *, width: int = 4) -> nn.Module:
    """Build a network."""
    return Network(3)


def bad_default(source: Image, /, *, width: int = "four") -> nn.Module:  # type: ignore[assignment]
    """Build a network.

    Args:
        width: Of a layer.
    """
    return Network(3)


def needs_a_choice(source: Image, /, *, width: int) -> nn.Module:
    """Build a network.

    Args:
        width: Of a layer.
    """
    return Network(3)


def swallows(source: Image, /, **rest: int) -> nn.Module:
    """Build a network."""
    return Network(3)


def raises(source: Image, /) -> nn.Module:
    """Build nothing."""
    msg = "out of order"
    raise RuntimeError(msg)


@pytest.fixture
def plant(monkeypatch) -> Iterator[Any]:
    """A function that makes a plugin with one component of the given factory, and returns its manager."""
    module = type(sys)("planted_components")
    monkeypatch.setitem(sys.modules, "planted_components", module)

    def planted(kind: str, factory: Any) -> PluginManager:
        vars(module)["factory"] = factory
        record = Component(kind=kind, name="planted", target="planted_components:factory", summary="Planted.")  # type: ignore[arg-type]
        plugin = type("Plugin", (), {"translate_components": hookimpl(lambda self: [record])})()
        manager = PluginManager()
        manager.register(plugin, name="acme", distribution="acme-gan", version="2.1")
        return manager

    return planted


@pytest.mark.parametrize(
    ("kind", "factory"),
    [
        ("generator", good_network),
        ("discriminator", network(Network)),
        ("loss", good_loss),
        ("operation", good_operation),
        ("operation", GoodMemory),
        ("latent", GoodLatent),
        ("latent", DrawnLatent),
        ("schedule", GoodSchedule),
        ("metric", good_metric),
        ("metric", GoodClassMetric),
        ("dataset", dataset()),
        ("dataset", finishing(lambda self, example, generator: {"hole": example["image"][:2, :2]})),
        ("observer", GoodObserver),
    ],
)
def test_a_good_component_passes(plant, kind, factory):
    manager = plant(kind, factory)
    check_component(kind, "planted", manager=manager)
    check_plugin("acme", manager=manager)


def image(**values: Any) -> Any:
    """A dataset whose example is this array."""
    return dataset(example=lambda self, index, generator: values)


@pytest.mark.parametrize(
    ("kind", "factory", "rule", "text"),
    [
        ("generator", undocumented, "docs", "no docstring"),
        ("generator", undescribed, "docs", "parameter 'width' has no line"),
        ("generator", bad_default, "defaults", "default of 'width' is refused"),
        ("generator", swallows, "schema", "swallow misspelt keys"),
        ("generator", needs_a_choice, "build", "parameter 'width' is required"),
        ("generator", raises, "build", "RuntimeError: out of order"),
        ("generator", not_a_module, "build", "made a function"),
        ("generator", wrong_channels, "makes", "made 2x4x32x32"),
        ("generator", network(Nothing), "result", "without a tensor"),
        ("generator", network(NotFinite), "finite", "not finite"),
        ("generator", network(UnusedLayer), "gradient", "'unused.weight'"),
        ("generator", network(Dead), "gradient", "'layer.weight'"),
        ("generator", network(Unseeded), "deterministic", "the same seed"),
        ("generator", network(HiddenState), "state", "output differs"),
        ("generator", network(SetState), "state", "saving its state_dict raised TreeError: /_extra_state"),
        ("generator", network(RefusesState), "state", "loading its state_dict into another one raised KeyError"),
        ("generator", network(ReadsValues), "meta", "meta tensors"),
        ("loss", loss_with_dimensions, "result", "0-d float tensor (got a float32 tensor of shape (2,))"),
        ("loss", loss_not_finite, "finite", "not finite"),
        ("loss", loss_cut, "gradient", "'to'"),
        ("loss", loss_random, "deterministic", "differs"),
        ("loss", OneBadSide, "result", "the generator side"),
        ("operation", operation_reads, "meta", "meta device"),
        ("operation", Forgetful, "state", "goes on differently"),
        ("operation", DeadLive, "live", "its result has none"),
        ("operation", PlainClass, "build", "must be an nn.Module"),
        ("latent", GlobalLatent, "deterministic", "global generator"),
        ("latent", ConstantLatent, "deterministic", "every generator"),
        ("latent", UnseededLatent, "deterministic", "made anew from the same seed"),
        ("schedule", UnseededSchedule, "deterministic", "made anew from the same seed"),
        ("loss", UnseededLoss, "deterministic", "differs for the same values and seed"),
        ("latent", WrongShape, "result", "its spec says (16, 4)"),
        ("schedule", IntegerSchedule, "result", "not a float"),
        ("schedule", InfiniteSchedule, "finite", "step 100000 gives inf"),
        ("schedule", CountingSchedule, "pure", "earlier calls"),
        ("metric", metric_infinite, "finite", "identical images"),
        ("metric", metric_mean, "result", "one value per example"),
        ("metric", TensorClassMetric, "result", "must return a float"),
        ("dataset", image(picture=Pictures.array), "fields", "has ['picture'], the dataset ['image']"),
        ("dataset", image(image=Pictures.array[:, :, :1]), "fields", "height x width x 3"),
        ("dataset", image(image=Pictures.array.astype(np.float32) + 2), "fields", "outside [0, 1]"),
        ("dataset", dataset(__len__=lambda self: 0), "fields", "no examples"),
        ("dataset", dataset(name=lambda self, index: "a/b"), "fields", "stem of a file name"),
        (
            "dataset",
            dataset(example=lambda self, i, g: {"image": np.random.default_rng().random((8, 8, 3), np.float32)}),
            "deterministic",
            "the same generator",
        ),
        ("dataset", dataset(finished=("hole",)), "fields", "hole of `finished` is not among its fields"),
        ("dataset", finishing(lambda self, e, g: {}), "fields", "field 'hole' should be Image"),
        ("dataset", finishing(lambda self, e, g: {"hole": noise((2, 2, 3))}), "deterministic", "another way each time"),
        ("observer", UnmarkedObserver, "hooks", "not marked"),
        ("observer", MisspeltObserver, "hooks", "translate_step_finnished"),
        ("observer", DeafObserver, "hooks", "no event"),
        ("observer", GreedyObserver, "hooks", "is for plugins"),
    ],
)
def test_every_rule_bites(plant, kind, factory, rule, text):
    manager = plant(kind, factory)
    with pytest.raises(AssertionError) as caught:
        check_component(kind, "planted", manager=manager)
    message = str(caught.value)
    assert message.startswith(f"{kind} 'planted' of acme (acme-gan 2.1): {rule}: ")
    assert text in message
    with pytest.raises(AssertionError, match=f"{kind} 'planted'"):
        check_plugin("acme", manager=manager)


def test_the_onnx_rule_bites(plant):
    manager = plant("generator", network(OtherInExport))
    check_component("generator", "planted", manager=manager)
    with pytest.raises(AssertionError, match="onnx: differs from PyTorch"):
        check_component("generator", "planted", manager=manager, onnx=True)


def test_an_extra_state_that_a_checkpoint_can_keep_passes(plant):
    check_component("generator", "planted", manager=plant("generator", network(KeptState)))


def test_a_rule_can_be_left_out_and_expressions_can_be_constants(plant):
    check_component("generator", "planted", manager=plant("generator", network(UnusedLayer)), skip={"gradient"})
    check_component("loss", "planted", manager=plant("loss", loss_cut), constants={"to"})
    with pytest.raises(AssertionError, match=r"no rule 'gradent'. Did you mean 'gradient'"):
        check_component("loss", "planted", manager=plant("loss", loss_cut), skip={"gradent"})


def test_the_sample_replaces_what_the_kit_makes_up(plant):
    manager = plant("generator", needs_a_choice)
    check_component("generator", "planted", manager=manager, inputs=[Image(3, 8, 8)], choices={"width": 3})
    check_plugin("acme", manager=manager, samples={("generator", "planted"): Sample(choices={"width": 3})})
    with pytest.raises(AssertionError, match="build: parameter 'width'"):
        check_component("generator", "planted", manager=manager, choices={"width": "x"})
    wanted = {"of": torch.ones(3, requires_grad=True), "to": torch.zeros(3)}
    check_component("loss", "planted", manager=plant("loss", good_loss), values=lambda: wanted)


def test_a_missing_component_and_a_plugin_that_is_not_loaded_are_said():
    with pytest.raises(AssertionError, match="'nothing' is not a loss"):
        check_component("loss", "nothing", manager=PluginManager())
    with pytest.raises(AssertionError, match=r"plugin 'lossess' is not installed. Did you mean 'losses'"):
        check_plugin("lossess")
    manager = PluginManager()
    manager.load_entry_points([importlib.metadata.EntryPoint("gone", "no_such_package", "translate")])
    with pytest.raises(AssertionError, match=r"plugin gone .* is failed: ModuleNotFoundError"):
        check_plugin("gone", manager=manager)


def test_the_kit_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    for kind, name in built_in()[:3]:
        if kind not in {"dataset", "observer"}:
            check_component(kind, name, **sample_of(kind, name))
    assert torch.equal(before, torch.get_rng_state())


def test_the_public_names_are_the_ones_that_the_kit_uses():
    assert Sample is SampleOfRules
