"""The loader: isolated, sorted, blockable; a rejected plugin leaves nothing behind."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from translate import Command, Component, ShippedPipeline, hookimpl
from translate.errors import PluginError
from translate.plugin_manager import (
    DISABLE_VARIABLE,
    OWN_DISTRIBUTION,
    PluginManager,
    default_manager,
)


def loss(name: str = "charbonnier") -> Component:
    return Component(kind="loss", name=name, target="somewhere:charbonnier", summary="Smooth L1.")


class Good:
    @hookimpl
    def translate_components(self):
        return [loss()]

    @hookimpl
    def translate_pipelines(self):
        return [ShippedPipeline(name="mine", package="somewhere", file="mine.yaml", summary="Mine.")]

    @hookimpl
    def translate_commands(self):
        return [Command(name="hello", target="somewhere:hello", summary="Say hello.")]


class FakeDistribution(metadata.Distribution):
    def __init__(self, name: str, version: str) -> None:
        self._name, self._version = name, version

    def read_text(self, filename):
        return (
            f"Metadata-Version: 2.1\nName: {self._name}\nVersion: {self._version}\n" if filename == "METADATA" else None
        )

    def locate_file(self, path):
        return Path(path)


class EntryPoint(metadata.EntryPoint):
    """An entry point whose plugin is an object of the test, or an exception that its import raises."""

    def load(self):
        vars(self)["loaded"] = True
        plugin = vars(self)["plugin"]
        if isinstance(plugin, BaseException):
            raise plugin
        return plugin() if callable(plugin) and not isinstance(plugin, type) else plugin


def entry_point(name: str, plugin: object, distribution: str = "acme-gan", version: str = "2.1") -> EntryPoint:
    entry = EntryPoint(name, "somewhere", "translate")
    vars(entry).update(plugin=plugin, dist=FakeDistribution(distribution, version), loaded=False)
    return entry


def manager_of(*entry_points: EntryPoint, **options) -> PluginManager:
    manager = PluginManager(**options)
    manager.load_entry_points(entry_points)
    return manager


def only_status(plugin: object):
    manager = manager_of(entry_point("p", plugin))
    (status,) = manager.statuses
    return manager, status


def assert_rejected(plugin: object, cause: str) -> None:
    """The plugin failed for this cause, nothing of it is registered, and another one loads after it."""
    manager = manager_of(entry_point("a", plugin), entry_point("b", Good(), "other"))
    bad, good = manager.statuses
    assert bad.state == "failed"
    assert cause in bad.cause
    assert "\n" not in bad.cause
    assert good.state == "loaded"
    assert [entry.provider.plugin for entry in manager.catalogue.entries] == ["b"]
    assert list(manager.catalogue.pipelines) == ["mine"]
    assert [provider.plugin for _, provider in manager.commands] == ["b"]
    assert [plugin_name for plugin_name, _ in manager._manager.list_name_plugin()] == ["b"]


def test_everything_a_plugin_returns_is_in_the_catalogue_with_its_provider():
    manager, status = only_status(Good())
    assert status.state == "loaded"
    assert status.components == ("loss charbonnier", "pipeline mine", "command hello")
    assert str(status.provider) == "p (acme-gan 2.1)"
    assert manager.catalogue.find("loss", "p/charbonnier").provider == status.provider
    assert manager.catalogue.find_pipeline("mine")[1] == status.provider
    assert manager.commands[0][0].name == "hello"


@pytest.mark.parametrize(
    ("exception", "cause"),
    [
        (ImportError("no module named acme_core"), "ImportError: no module named acme_core"),
        (SystemExit(3), "SystemExit: 3"),
        (SyntaxError("bad\nlines"), "SyntaxError: bad lines"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_reported_and_the_others_load(exception, cause):
    assert_rejected(exception, cause)


def test_ctrl_c_during_an_import_is_not_a_broken_plugin():
    with pytest.raises(KeyboardInterrupt):
        manager_of(entry_point("p", KeyboardInterrupt()))


def test_strict_raises_the_first_failure():
    with pytest.raises(ImportError, match="gone"):
        manager_of(entry_point("p", ImportError("gone")), strict=True)


def test_a_misspelt_hook_is_reported():
    class Misspelt:
        @hookimpl
        def translate_componets(self):
            return []

    assert_rejected(Misspelt(), "translate_componets")


def test_a_hook_with_an_argument_that_does_not_exist_is_reported():
    class WrongArgument(Good):
        @hookimpl
        def translate_step_finished(self, stepp):
            pass

    assert_rejected(WrongArgument(), "stepp")


def test_a_hook_without_the_marker_is_reported():
    class Unmarked:
        def translate_components(self):
            return [loss("lost")]

    assert_rejected(Unmarked(), "translate_components is not marked with @translate.hookimpl")


def test_a_generator_that_raises_half_way_registers_nothing():
    class HalfWay:
        @hookimpl
        def translate_pipelines(self):
            return [ShippedPipeline(name="half", package="p", file="half.yaml", summary="Half.")]

        @hookimpl
        def translate_components(self):
            yield loss("first")
            msg = "half way"
            raise RuntimeError(msg)

    assert_rejected(HalfWay(), "RuntimeError: half way")


def test_a_record_of_the_wrong_type_is_reported():
    class Wrong:
        @hookimpl
        def translate_components(self):
            return [loss("fine"), ("loss", "tuple")]

    assert_rejected(Wrong(), "translate_components must return Component records (got ('loss', 'tuple'))")


def test_the_same_component_twice_in_one_plugin_is_reported():
    class Twice:
        @hookimpl
        def translate_components(self):
            return [loss("twin"), loss("twin")]

    assert_rejected(Twice(), "loss 'twin' is supplied twice by this plugin")


def test_a_class_instead_of_an_object_is_reported():
    assert_rejected(Good, "not the class Good")


def test_one_object_under_two_names_keeps_the_first():
    plugin = Good()
    manager = manager_of(entry_point("a", lambda: plugin), entry_point("b", lambda: plugin, "other"))
    assert [status.state for status in manager.statuses] == ["loaded", "failed"]
    assert [name for name, _ in manager._manager.list_name_plugin()] == ["a"]


def test_a_none_result_is_an_empty_one():
    class Nothing:
        @hookimpl
        def translate_components(self):
            return None

    assert only_status(Nothing())[1].state == "loaded"


def test_order_does_not_depend_on_installation():
    first, second = entry_point("a", Good(), "z-dist"), entry_point("b", Good(), "a-dist")
    for order in ((first, second), (second, first)):
        assert [status.provider.plugin for status in manager_of(*order).statuses] == ["a", "b"]


def test_two_distributions_with_one_entry_point_name_are_both_usable():
    class Other(Good):
        @hookimpl
        def translate_components(self):
            return [loss("other")]

    manager = manager_of(entry_point("gan", Good(), "acme"), entry_point("gan", Other(), "zeta"))
    assert [status.provider.plugin for status in manager.statuses] == ["acme:gan", "zeta:gan"]
    assert all(status.state == "loaded" for status in manager.statuses)
    assert manager.catalogue.find("loss", "zeta:gan/other").provider.distribution == "zeta"


def test_a_stranger_with_the_name_of_a_family_does_not_rename_the_family():
    manager = manager_of(entry_point("losses", Good(), "acme"), entry_point("losses", Good(), OWN_DISTRIBUTION))
    assert [status.provider.plugin for status in manager.statuses] == ["acme:losses", "losses"]
    with pytest.raises(LookupError, match="Write 'acme:losses/charbonnier' or 'losses/charbonnier'"):
        manager.catalogue.find("loss", "charbonnier")


def test_pipelines_of_one_name_are_both_usable_and_the_bare_name_names_both():
    manager = manager_of(entry_point("a", Good(), "acme"), entry_point("b", Good(), "zeta"))
    assert list(manager.catalogue.pipelines) == ["a/mine", "b/mine"]
    assert manager.catalogue.find_pipeline("b/mine")[1].distribution == "zeta"
    with pytest.raises(LookupError, match=r"a \(acme 2.1\) and b \(zeta 2.1\)\. Write 'a/mine' or 'b/mine'"):
        manager.catalogue.find_pipeline("mine")


@pytest.mark.parametrize("name", ["p", "acme-gan:p"])
def test_a_disabled_plugin_is_not_imported(name):
    blocked = entry_point("p", Good())
    manager = manager_of(blocked, disabled=[name])
    assert manager.statuses[0].state == "disabled"
    assert not vars(blocked)["loaded"]
    assert manager.catalogue.entries == ()


def test_the_qualified_name_disables_only_that_distribution():
    manager = manager_of(entry_point("gan", Good(), "acme"), entry_point("gan", Good(), "zeta"), disabled=["acme:gan"])
    assert [status.state for status in manager.statuses] == ["disabled", "loaded"]


def test_the_environment_disables_and_can_change(monkeypatch):
    monkeypatch.setenv(DISABLE_VARIABLE, " losses , generators ")
    without = default_manager()
    assert {s.provider.plugin for s in without.statuses if s.state == "disabled"} >= {"losses", "generators"}
    monkeypatch.delenv(DISABLE_VARIABLE)
    assert default_manager() is not without
    assert default_manager() is default_manager()


def test_what_a_plugin_prints_at_import_does_not_reach_stdout(capsys):
    def noisy():
        print("hello from a plugin")
        return Good()

    manager_of(entry_point("p", noisy))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello from a plugin" in captured.err


def test_the_catalogue_follows_what_is_registered_later():
    manager = PluginManager()
    assert manager.catalogue.entries == ()
    manager.register(Good(), name="late")
    assert manager.catalogue.names("loss") == ["charbonnier"]
    manager.load_entry_points([entry_point("p", ImportError("gone"))])
    assert manager.catalogue.not_loaded == ("acme-gan 2.1 (ImportError: gone)",)
    with pytest.raises(ValueError, match="'late' is loaded already"):
        manager.register(Good(), name="late")


class Observer:
    def __init__(self) -> None:
        self.steps: list[int] = []

    @hookimpl
    def translate_step_finished(self, step):
        self.steps.append(step)


def test_observers_belong_to_one_run_and_plugins_hear_every_run():
    manager, plugin, first, second = PluginManager(), Observer(), Observer(), Observer()
    manager.register(plugin, name="p")
    manager.for_run([first]).hook.translate_step_finished(run=None, step=1)
    manager.for_run([second]).hook.translate_step_finished(run=None, step=2)
    assert (plugin.steps, first.steps, second.steps) == ([1, 2], [1], [2])


def test_an_observer_with_a_misspelt_hook_is_refused():
    class Misspelt:
        @hookimpl
        def translate_step_finnished(self, step):
            pass

    with pytest.raises(PluginError, match=r"observer Misspelt cannot be used.*translate_step_finnished"):
        PluginManager().for_run([Misspelt()])


def test_loading_every_installed_plugin_imports_no_heavy_package():
    import subprocess

    code = (
        "import sys; from translate.plugin_manager import default_manager as m; m().catalogue;"
        "print([n for n in ('torch','torchvision','albumentations','onnxruntime','onnx','numpy') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
