"""Two real distributions of somebody else, built, installed in a folder and used through the command line."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from translate.components import KINDS

SOURCES = Path(__file__).parent / "third_party"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Run `python ...` where both distributions are installed beside the project."""
    folder = tmp_path_factory.mktemp("third_party")
    site = folder / "site"
    for name in ("translate_example", "translate_broken"):
        # Hatchling itself, not pip: without the network, and without an environment of its own.
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=SOURCES / name, check=True, capture_output=True)
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    environment.pop("TRANSLATE_DISABLE", None)

    def call(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            capture_output=True,
            text=True,
            check=False,
            env={**environment, **more},
            cwd=folder,
        )

    return call


@pytest.fixture(scope="module")
def translate(run) -> Run:
    return lambda *words: run("-m", "translate", *words)


def test_plugins_shows_both_and_the_broken_one_with_version_and_cause(translate):
    result = translate("plugins")
    assert result.returncode == 0, result.stderr
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert rows["example"].split()[:4] == ["example", "translate-example", "1.2.3", "loaded"]
    for kind in KINDS:
        assert f"{kind} " in rows["example"]
    assert rows["broken"].split()[:4] == ["broken", "translate-broken", "0.9", "failed"]
    assert "ImportError: this plugin needs a package that nobody has" in rows["broken"]
    assert rows["generators"].split()[3] == "loaded"


def test_list_and_describe_show_the_new_generator_beside_the_built_in_ones(translate):
    listing = translate("list", "generator").stdout
    assert "plain  " in listing
    assert "example (translate-example 1.2.3)" in listing
    assert "unet  " in listing
    described = translate("describe", "generator", "plain")
    assert described.returncode == 0, described.stderr
    assert "width: int >= 1, default 16" in described.stdout
    assert "Channels between the convolutions." in described.stdout


def test_the_shipped_pipeline_is_listed_and_shown(translate):
    assert "stripes  " in translate("list", "pipelines").stdout
    shown = translate("describe", "pipeline", "stripes")
    assert shown.returncode == 0, shown.stderr
    assert "generator: plain" in shown.stdout


def test_its_command_is_in_help_and_runs(translate):
    assert "Greet someone. (from example (translate-example 1.2.3))" in " ".join(translate("--help").stdout.split())
    result = translate("greet", "you")
    assert (result.returncode, result.stdout) == (0, "Hello you, from a plugin.\n")


def test_an_unknown_name_says_which_plugin_was_not_loaded(translate):
    result = translate("describe", "generator", "plian")
    assert result.returncode == 2
    assert "Did you mean 'plain'?" in result.stderr
    assert "Not loaded: translate-broken 0.9 (ImportError:" in result.stderr


def test_a_disabled_plugin_takes_its_components_and_commands_away(translate):
    assert "plain  " not in translate("--disable", "example", "list", "generator").stdout
    result = translate("--disable", "example", "greet")
    assert result.returncode == 2
    assert "no such command: 'greet'" in result.stderr


def test_every_component_of_it_passes_the_conformance_kit(run):
    result = run("-c", "from translate.testing import check_plugin; check_plugin('example')", OMP_NUM_THREADS="1")
    assert result.returncode == 0, result.stderr


def test_the_kit_says_why_the_broken_one_fails(run):
    result = run("-c", "from translate.testing import check_plugin; check_plugin('broken')")
    assert "AssertionError: plugin broken (translate-broken 0.9) is failed: ImportError: this plugin" in result.stderr


@pytest.mark.skipif(
    importlib.util.find_spec("translate.cli.check") is None, reason="`translate check` is not there yet"
)
def test_its_pipeline_passes_the_check(translate):
    result = translate("check", "stripes")
    assert result.returncode == 0, result.stderr
