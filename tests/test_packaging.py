"""Guards of the package: what a wheel holds, what is installed, and who may import whom."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata, resources
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "translate": "translate",
    "plugins/translate_plugins": "translate_plugins",
    "datasets/translate_datasets": "translate_datasets",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> list[str]:
    """Names of the files in the project's wheel, built as it is built for release."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file).namelist()


def test_the_top_level_of_the_wheel_is_the_three_packages_and_nothing_else(wheel):
    # A wheel with a top-level `datasets` would overwrite that of Hugging Face.
    top = {name.split("/")[0] for name in wheel}
    info = {name for name in top if name.endswith(".dist-info")}
    assert len(info) == 1
    assert top - info == set(PACKAGES.values())


def test_the_wheel_holds_every_file_of_the_source_tree(wheel):
    for folder, package in PACKAGES.items():
        source = ROOT / folder
        files = {
            f"{package}/{path.relative_to(source).as_posix()}"
            for path in source.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert files <= set(wheel), sorted(files - set(wheel))


def test_the_wheel_has_type_information_and_the_pipelines(wheel):
    for package in PACKAGES.values():
        assert f"{package}/py.typed" in wheel
    assert "translate_plugins/pipelines/pix2pix.yaml" in wheel


def test_the_wheel_has_the_entry_points_of_pyproject():
    installed = {
        e.name: e.value
        for e in metadata.entry_points(group="translate")
        if e.dist and e.dist.name == PROJECT["project"]["name"]
    }
    assert installed == PROJECT["project"]["entry-points"]["translate"], "install the project again: pip install -e ."


@pytest.mark.parametrize("root", ["plugins", "datasets"])
def test_source_roots_are_not_packages(root):
    # With an __init__.py they would hide packages of the same name, Hugging Face's `datasets` among them.
    assert not (ROOT / root / "__init__.py").exists()


def test_every_family_that_lists_components_has_an_entry_point():
    declared = set(PROJECT["project"]["entry-points"]["translate"].values())
    for folder, package in PACKAGES.items():
        if package == "translate":
            continue
        for module in [ROOT / folder / "__init__.py", *(ROOT / folder).glob("*/__init__.py")]:
            if "hookimpl" in module.read_text(encoding="utf-8"):
                name = ".".join([package, *module.parent.relative_to(ROOT / folder).parts])
                assert name in declared, f"{name} lists components but has no line in [project.entry-points.translate]"
    assert declared


def test_every_shipped_pipeline_file_is_listed_and_every_listed_one_exists():
    from translate.plugin_manager import default_manager

    pipelines = default_manager().catalogue.pipelines
    listed = {
        f"{shipped.package}/{shipped.file}"
        for shipped, provider in pipelines.values()
        if provider.distribution == PROJECT["project"]["name"]
    }
    for package in ("translate_plugins.pipelines",):
        files = {f"{package}/{each.name}" for each in resources.files(package).iterdir() if each.name.endswith(".yaml")}
        assert files == listed


@pytest.mark.parametrize("requirement", PROJECT["project"]["dependencies"])
def test_the_installed_version_meets_the_floor(requirement):
    packaging = pytest.importorskip("packaging.requirements")
    wanted = packaging.Requirement(requirement)
    assert wanted.specifier.contains(metadata.version(wanted.name), prereleases=True), metadata.version(wanted.name)


FLOORS = {
    "torch": ("2.10", "CVE-2026-24747: the restricted unpickler was bypassed"),
    "pillow": ("12.3.0", "memory errors of its decoders, 2026"),
    "onnx": ("1.22.0", "external data outside the model's folder"),
    "onnxruntime": ("1.28", "external data: the fixes of December 2025 to June 2026"),
    "safetensors": ("0.8.0", "checks of the header"),
    "pyyaml": ("6.0", "its full loader runs code; only the scanner and parser are used"),
    "lightning-fabric": ("2.6.6", "code from checkpoint hyperparameters was closed in 2.6.6"),
}
"""The lowest version that may be installed, and why; see SECURITY.md."""


@pytest.mark.parametrize("name", FLOORS)
def test_the_floors_of_security_are_held(name):
    packaging = pytest.importorskip("packaging.requirements")
    version = pytest.importorskip("packaging.version")
    floor, reason = FLOORS[name]
    wanted = {r.name.lower(): r.specifier for r in map(packaging.Requirement, PROJECT["project"]["dependencies"])}[name]
    lowest = [version.Version(each.version) for each in wanted if each.operator == ">="]
    assert lowest, f"{name} has no floor"
    assert max(lowest) >= version.Version(floor), reason
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8").lower()
    assert name in text[text.index("## version floors") :]


def test_no_package_that_once_was_malicious_is_asked_for():
    assert not [line for line in PROJECT["project"]["dependencies"] if line.split(">")[0].strip() == "lightning"]


def test_torch_and_torchvision_have_a_floor_and_no_cap():
    # A cap can select a CPU wheel from a local folder, because a local version sorts higher; see CONTRIBUTING.md.
    dependencies = PROJECT["project"]["dependencies"]
    assert {line for line in dependencies if line.startswith("torch")} >= {"torch>=2.11", "torchvision>=0.26"}


def test_the_version_is_the_same_everywhere():
    import translate

    assert translate.__version__ == PROJECT["project"]["version"] == metadata.version(PROJECT["project"]["name"])


def test_import_contracts_hold():
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("import-linter is not installed (it is part of the extra `dev`)")
    result = subprocess.run([tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_every_package_is_in_the_layers():
    # A new part of the core without a place in the layers would escape the contract.
    (contract,) = [c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    placed = {name.strip(" ()") for layer in contract["layers"] for name in layer.split(":")}
    outside = {"translate.inference", "translate.__main__"}
    found = {
        f"translate.{path.stem}"
        for path in (ROOT / "translate").iterdir()
        if (path / "__init__.py").exists() or path.suffix == ".py"
    }
    assert found - {"translate.__init__"} <= placed | outside
