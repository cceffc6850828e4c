"""`translate show`: YAML that loads again, and drawings on stdout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
import yaml

from translate.cli import main
from translate.drawing import draw
from translate.drawing.text import text_drawing
from translate.pipeline import load_pipeline

SMALL = ["data.image_size=64", "networks.G.width=4", "networks.D.width=4", "networks.D.receptive_field=16"]


def show(capsys, *words: str) -> str:
    assert main(["show", *words]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("name", ["pix2pix", "pix2pix_l1", "demo"])
def test_what_is_shown_loads_again(capsys, tmp_path, name):
    text = show(capsys, name, "training.steps=7")
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    again = load_pipeline(file, complete=False)
    assert again.resolved == load_pipeline(name, ["training.steps=7"], complete=False).resolved
    assert again.training.steps == 7
    assert show(capsys, str(file)) == text


def test_defaults_are_filled_in_and_missing_values_stay(capsys):
    shown = yaml.safe_load(show(capsys, "pix2pix"))
    assert shown["data"]["root"] == "???"
    assert shown["training"]["log_every"] == 50
    assert shown["turns"]["generators"] == {"learn": ["G"], "side": "generators", "steps": 1}


def test_problems_are_reported(capsys):
    assert main(["show", "pix2pix", "networks.G.widht=4"]) == 2
    assert "Did you mean 'width'?" in capsys.readouterr().err


def test_text_in_a_pipe_has_no_colours(capsys):
    text = show(capsys, "pix2pix", *SMALL, "--graph")
    assert text == text_drawing(draw(load_pipeline("pix2pix", SMALL, complete=False)))
    assert "\x1b" not in text
    assert show(capsys, "pix2pix", *SMALL, "--format", "text") == text


def test_text_on_a_terminal_is_the_same_in_colour(capsys, monkeypatch):
    for name in ("NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    text = show(capsys, "pix2pix", *SMALL, "--graph")
    assert "\x1b[1;32mG\x1b[0m" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert plain == text_drawing(draw(load_pipeline("pix2pix", SMALL, complete=False)), width=80)


def test_ascii(capsys):
    text = show(capsys, "pix2pix", *SMALL, "--graph", "--ascii")
    assert text.isascii()
    assert "+- 1 discriminators ---" in text


def test_ascii_where_the_output_knows_no_more():
    words = [sys.executable, "-m", "translate", "show", "pix2pix", *SMALL, "--graph"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"+- 1 discriminators ---" in done.stdout


def test_mermaid_and_svg(capsys):
    assert show(capsys, "pix2pix", *SMALL, "--format", "mermaid").startswith("flowchart LR\n")
    root = ET.fromstring(show(capsys, "pix2pix", *SMALL, "--format", "svg"))  # noqa: S314  our own text
    assert root.tag.endswith("svg")


def test_an_unknown_form_is_refused(capsys):
    assert main(["show", "pix2pix", "--format", "dot"]) == 2
    assert "'text', 'mermaid', 'svg'" in capsys.readouterr().err
