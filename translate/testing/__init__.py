"""The conformance kit: what every component must do, checked with one line in a plugin's own tests.

    from translate.testing import check_component, check_plugin

    def test_my_generator():
        check_component("generator", "my_unet", inputs=[Image(3, 32, 32)], choices={"width": 8})

    def test_my_plugin():
        check_plugin("my-plugin")

The built-in components go through the same kit. A failure is an `AssertionError` that names the component, its provider
and the rule. Rules can be left out by name (`skip={"gradient"}`) where a component breaks one on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from translate.components import Entry
from translate.data.request import DataRequest
from translate.errors import PluginError, did_you_mean
from translate.plugin_manager import PluginManager, default_manager
from translate.specs import Spec
from translate.testing.data import check_dataset, check_observer
from translate.testing.losses import check_loss, check_metric
from translate.testing.networks import check_network, check_parametrization
from translate.testing.operations import check_latent, check_operation, check_schedule
from translate.testing.rules import RULES, Case, Sample
from translate.testing.schemas import check_schema

__all__ = ["Sample", "check_component", "check_plugin"]

_CHECKS: Final[Mapping[str, Callable[[Case], None]]] = {
    "generator": check_network,
    "discriminator": check_network,
    "parametrization": check_parametrization,
    "loss": check_loss,
    "operation": check_operation,
    "latent": check_latent,
    "dataset": check_dataset,
    "schedule": check_schedule,
    "metric": check_metric,
    "observer": check_observer,
}


def check_component(
    kind: str,
    name: str,
    *,
    inputs: Sequence[Spec] | None = None,
    choices: Mapping[str, Any] | None = None,
    values: Callable[[], Mapping[str, Any]] | None = None,
    constants: Collection[str] = (),
    request: DataRequest | None = None,
    skip: Collection[str] = (),
    onnx: bool = False,
    manager: PluginManager | None = None,
) -> None:
    """Check one component.

    Args:
        kind: Its kind.
        name: Its bare or qualified name.
        inputs: Specs of what the pipeline provides: a network's inputs, an operation's tensors. Made up when not given.
        choices: Values for its parameters; the others have their defaults. Specs for those that take a spec.
        values: For a loss or metric: makes the tensors of its expressions, by name. Made up when not given.
        constants: For a loss: expressions that no gradient has to reach.
        request: For a dataset: what is asked of it.
        skip: Rules to leave out.
        onnx: For a network: also export it and compare onnxruntime's result. Takes seconds.
        manager: Where to look; the installed plugins when not given.

    Raises:
        AssertionError: A rule is broken; names component, provider and rule.
    """
    sample = Sample(
        inputs=inputs, choices=choices or {}, values=values, constants=constants, request=request, skip=skip, onnx=onnx
    )
    try:
        entry = (manager or default_manager()).catalogue.find(kind, name)
    except LookupError as exc:
        raise AssertionError(str(exc)) from exc
    _check(entry, sample)


def check_plugin(
    name: str, *, samples: Mapping[tuple[str, str], Sample] | None = None, manager: PluginManager | None = None
) -> None:
    """Check that a plugin is installed and loaded, and all its components; report every failure, not only the first.

    Args:
        name: The plugin's name: that of its entry point.
        samples: What to try components with, by (kind, name), for those that need more than made-up values.
        manager: Where to look; the installed plugins when not given.

    Raises:
        AssertionError: The plugin is not there, could not be loaded, or breaks rules.
    """
    manager = manager or default_manager()
    found = {status.provider.plugin: status for status in manager.statuses}
    if name not in found:
        msg = f"plugin '{name}' is not installed.{did_you_mean(name, found)} Installed: {', '.join(found) or 'none'}"
        raise AssertionError(msg)
    if found[name].state != "loaded":
        msg = f"plugin {found[name].provider} is {found[name].state}: {found[name].cause or 'see TRANSLATE_DISABLE'}"
        raise AssertionError(msg)
    failures = []
    for entry in manager.catalogue.entries:
        if entry.provider.plugin == name:
            try:
                _check(entry, (samples or {}).get((entry.kind, entry.name), Sample()))
            except AssertionError as exc:
                failures.append(str(exc))
    if failures:
        raise AssertionError("\n".join(failures))


def _check(entry: Entry, sample: Sample) -> None:
    unknown = set(sample.skip) - RULES
    if unknown:
        wrong = min(unknown)
        msg = f"there is no rule '{wrong}'.{did_you_mean(wrong, RULES)} Rules: {', '.join(sorted(RULES))}"
        raise AssertionError(msg)
    case = Case(entry, sample)
    try:
        _ = entry.schema
    except PluginError as exc:
        case.fail("schema", str(exc))
    check_schema(case)
    _CHECKS[entry.kind](case)
