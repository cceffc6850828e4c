"""The page of the figures is the record, and only what was measured stands in it."""

from __future__ import annotations

import json

import pytest
import record


def test_the_page_is_what_the_record_says():
    if not record.RECORDS.exists():
        pytest.skip("nothing was recorded yet")
    assert record.TABLE.read_text(encoding="utf-8") == record.table(record.read_records())


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RECORDS", tmp_path / "reliability.jsonl")
    monkeypatch.setattr(record, "TABLE", tmp_path / "reliability.md")
    monkeypatch.setenv("RELIABILITY_RECORD", "1")
    return tmp_path


def state(seed: int = 0, **values: object) -> None:
    record.figure(name="a", goal="G1", values=values, seed=seed, seconds=1.25)


def test_the_small_forms_of_the_default_suite_are_not_recorded(elsewhere):
    state(kills=6)
    assert list(elsewhere.iterdir()) == []


def test_a_figure_is_appended_and_drawn_and_a_newer_one_takes_its_place(elsewhere, monkeypatch):
    monkeypatch.setitem(record._test, "marked", True)
    for kills in (199, 200):
        state(kills=kills, lost={"one": 1}, share=0.25)
    state(seed=1, kills=2000)
    lines = record.RECORDS.read_text().splitlines()
    assert [json.loads(line)["values"]["kills"] for line in lines] == [199, 200, 2000]
    found = record.read_records()
    assert [entry["values"]["kills"] for entry in found] == [200, 2000]
    page = record.TABLE.read_text()
    assert page == record.table(found)
    assert "| a | kills: 200; lost: one 1; share: 0.25 | ci | 0 | 1.2 s |" in page
    assert "kills: 2,000" in page
    assert record.GOALS["G1"] in page
    assert "test_record.py::test_a_figure" in page
