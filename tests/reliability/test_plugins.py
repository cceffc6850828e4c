"""Broken, clashing, slow and lying plugins (G8, scenarios 52 to 55): named with distribution and version."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import record
import support_plugins as sp
import yaml

NAMED = 4  # lines of an error


def tried(bad: sp.Bad, folder: Path, *, naive: bool = False) -> dict[str, Any]:
    """Train what needs a bad plugin, and what does not, where it is installed; what was wrong with either."""
    folder.mkdir()
    site = sp.install(bad, folder / "site")
    good, needing = folder / "good.yaml", folder / "needing.yaml"
    good.write_text(yaml.safe_dump(sp.GOOD))
    needing.write_text(yaml.safe_dump(sp.needing(bad)))
    code, text = sp.translate(site, "train", needing, "--out", folder / "run", log=folder / "needing.log", naive=naive)
    wrong = [] if code == bad.code else [f"exit code {code} for {bad.code}"]
    wrong += [f"not said: {said}" for said in bad.says if said not in text]
    if bad.code:
        wrong += [] if f"{bad.distribution} 2.5" in text else ["distribution and version not named"]
        wrong += error_form(text)
    if bad.step is not None:
        wrong += [] if f"at step {bad.step}" in text else ["step not named"]
        saved = sorted(path.name for path in (folder / "run" / "checkpoints").glob("0*"))
        wrong += [] if saved == [f"{bad.step - 1:06d}"] else [f"saved: {saved}"]
    other, other_text = sp.translate(
        site, "train", good, "training.steps=2", "--out", folder / "other", log=folder / "good.log", naive=naive
    )
    stopped = [] if other == 0 else [f"an unrelated pipeline: exit code {other}: {other_text}"]
    return {"name": bad.name, "wrong": wrong, "stopped": stopped, "text": text, "other": other_text}


def error_form(text: str) -> list[str]:
    """What is wrong with the form of the error in what a command wrote."""
    lines = text.splitlines()
    start = next((index for index, line in enumerate(lines) if line.startswith("error: ")), None)
    if start is None:
        return ["no error block"]
    block = lines[start:]
    wrong = [] if len(block) <= NAMED else [f"{len(block)} lines"]
    wrong += ["a traceback"] if "Traceback" in text else []
    return wrong + ([] if block[-1].startswith("  code: E-") else ["no code at the end"])


def figures(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "plugins": len(found),
        "named": sum(not one["wrong"] for one in found),
        "stopped others": sum(bool(one["stopped"]) for one in found),
    }


def said(found: list[dict[str, Any]]) -> str:
    bad = [one for one in found if one["wrong"] or one["stopped"]]
    return "\n".join(f"{one['name']}: {one['wrong']} {one['stopped']}\n{one['text']}" for one in bad)


SAMPLE = ("syntax-error", "system-exit", "clash", "other-version", "always-shape", "raises", "in-place")


@pytest.mark.parametrize("name", SAMPLE)
def test_a_bad_plugin_is_named_and_stops_nobody_else(name, tmp_path):
    bad = next(bad for bad in sp.BAD if bad.name == name)
    found = [tried(bad, tmp_path / name)]
    assert figures(found) == {"plugins": 1, "named": 1, "stopped others": 0}, said(found)


@pytest.mark.reliability
@pytest.mark.timeout(300)
def test_every_bad_plugin_is_named_and_none_stops_anybody_else(tmp_path):
    started = time.perf_counter()
    found = [tried(bad, tmp_path / bad.name) for bad in (*sp.BAD, *sp.QUIET)]
    values = record.figure(
        name="bad plugins", goal="G8", values=figures(found), seed=0, seconds=time.perf_counter() - started
    )["values"]
    assert values == {"plugins": len(found), "named": len(found), "stopped others": 0}, said(found)
    assert len(found) >= 17


def test_loading_plugins_without_a_guard_is_noticed(tmp_path):
    bad = next(bad for bad in sp.BAD if bad.name == "import-error")
    found = [tried(bad, tmp_path / "naive", naive=True)]
    assert figures(found) == {"plugins": 1, "named": 0, "stopped others": 1}


def test_a_plugin_that_prints_or_is_slow_works_and_is_told_of(tmp_path):
    quiet, slow = [tried(bad, tmp_path / bad.name) for bad in sp.QUIET]
    assert not quiet["wrong"] + slow["wrong"] + quiet["stopped"] + slow["stopped"]
    assert "plugin slow (acme-slow 2.5) took 3." in slow["other"]


def test_a_failed_plugin_is_told_of_in_one_line_where_it_is_not_needed(tmp_path):
    bad = next(bad for bad in sp.BAD if bad.name == "import-error")
    lines = [line for line in tried(bad, tmp_path / "one")["other"].splitlines() if "acme" in line]
    assert len(lines) == 1
    assert lines[0].startswith("plugin import-error (acme-import-error 2.5) was not loaded (ModuleNotFoundError: ")


def test_a_run_goes_on_from_what_was_saved_before_the_failure_and_says_that_it_differs(tmp_path):
    bad = next(bad for bad in sp.BAD if bad.name == "raises")
    one = tried(bad, tmp_path / "one")
    assert not one["wrong"]
    (report,) = (tmp_path / "one" / "run").glob("report-*.txt")
    assert f"the traceback is in {report}" in one["text"]
    assert "Traceback" in report.read_text()
    assert "parts.py" in report.read_text()
    mended = sp.install(replace(bad, parts=bad.parts.replace("if now(of)", "if False")), tmp_path / "mended")
    code, text = sp.translate(
        mended, "train", tmp_path / "one" / "needing.yaml", "--out", tmp_path / "one" / "run", log=tmp_path / "log"
    )
    assert code == 0, text
    assert "it was saved after an iteration that failed half-way" in text


# -- a plugin that is not there any more -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def orphan(tmp_path_factory) -> Path:
    """A run of a pipeline that needs two plugins, which are not installed any more."""
    folder = tmp_path_factory.mktemp("orphan")
    loss = replace(sp._loss("gone", ""), name="gone-loss")
    operation = replace(sp._operation("gone", ""), name="gone-op")
    document = sp.needing(loss)
    document["losses"]["reconstruction"]["of"] = f"{operation.component}(fake)"
    document["evaluation"] = {"metrics": {"distance": {"metric": "l1", "of": "fake", "to": "target"}}}
    (folder / "needing.yaml").write_text(yaml.safe_dump(document))
    sp.install(loss, folder / "site")
    sp.install(operation, folder / "site")
    code, text = sp.translate(
        folder / "site", "train", folder / "needing.yaml", "training.steps=2", "--out", folder / "run", log=folder / "l"
    )
    assert code == 0, text
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["train", "{0}/needing.yaml", "--out", "{0}/run"],
        ["train", "{0}/run/pipeline.yaml", "--out", "{0}/new"],
        ["check", "{0}/run/pipeline.yaml"],
        ["evaluate", "{0}/run"],
        ["evaluate", "{0}/run/checkpoints/000002"],
        ["export", "{0}/run"],
        ["sample", "{0}/run"],
    ],
    ids=" ".join,
)
def test_a_missing_plugin_is_named_with_the_command_that_installs_it(words, orphan, tmp_path):
    code, text = sp.translate(None, *(word.format(orphan) for word in words), log=tmp_path / "log")
    assert code == 5, text
    assert not error_form(text), text
    for name in ("gone-loss", "gone-op"):
        assert f"(acme-{name} 2.5)" in text
    assert "fix: pip install acme-gone-loss==2.5 acme-gone-op==2.5" in text


def test_a_record_that_was_tampered_with_puts_nothing_into_the_command(orphan, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "pipeline.yaml").write_text((orphan / "run" / "pipeline.yaml").read_text())
    content = json.loads((orphan / "run" / "manifest.json").read_text())
    content["components"] = [line.replace("acme-gone", "x; touch canary #") for line in content["components"]]
    (run / "manifest.json").write_text(json.dumps(content))
    code, text = sp.translate(None, "check", run / "pipeline.yaml", log=tmp_path / "log")
    assert code == 2
    assert "canary" not in text
