"""Which texts lose what: told by their form, for any login and any host."""

from __future__ import annotations

import getpass
import socket

import pytest

from translate.evaluation.report import EvaluationReport
from translate.privacy import without_names, without_places


@pytest.fixture
def called(monkeypatch):
    """A function that gives this user and this host other names."""

    def call(user: str, host: str) -> None:
        monkeypatch.setattr(getpass, "getuser", lambda: user)
        monkeypatch.setattr(socket, "gethostname", lambda: host)

    return call


PLACES = [
    ("cannot read /data/a/b/1.png", "cannot read …/1.png"),
    ("file:///home/somebody/1.png is bad", "…/1.png is bad"),
    ("file://nas/share/1.png", "…/1.png"),
    ("../../home/somebody/1.png", "…/1.png"),
    ("runs/../../../home/somebody/1.png", "…/1.png"),
    (r"..\..\Users\somebody\1.png", "…/1.png"),
    ("~somebody/photos/1.png", "…/1.png"),
    ("~/photos/1.png", "…/1.png"),
    (r"\\nas\share\1.png", "…/1.png"),
    ("//nas/share/1.png", "…/1.png"),
    ("nas:/share/1.png", "nas:…/1.png"),
    ("root=/home/somebody", "root=…/USER"),
    (r"in C:\Users\somebody", "in …/USER"),
]
KEPT = [
    "get https://example.org/a/b.pth", "1/2 of G(z)/2", "s3://bucket/a", "about ~10 s", "train/A/1.png", "wait .../2",
    "a of b: 12", "test: the test split, split=test", "…/1.png", "and/or", "x/..", "translate/cli/app.py:12", "l1.mean",
]  # fmt: skip


@pytest.mark.parametrize("user", ["alice", "test", "bo", "A/b", "c++"])
@pytest.mark.parametrize("host", ["node7", "test", "pc", "n1.cluster.example", ""])
def test_places_go_and_words_stay_whatever_user_and_host_are_called(called, user, host):
    called(user, host)
    for text, expected in PLACES:
        assert without_places(text) == expected
        assert without_places(expected) == expected, "once is enough"
    for text in KEPT:
        assert without_places(text) == text


@pytest.mark.parametrize("host", ["pc", "n1", "node7", "pc.cluster.example"])
@pytest.mark.parametrize("user", ["bo", "alice"])
def test_addresses_go_however_short_they_are(called, user, host):
    called(user, host)
    short = host.partition(".")[0]
    for text, expected in [
        (f"by {user}@{short}", "by USER@HOST"),
        (f"by {user}@{short}.cluster.example", "by USER@HOST"),
        (f"connect to [{short}]:29500 (errno 111)", "connect to [HOST]:29500 (errno 111)"),
        (f"tcp://{short}:29500", "tcp://HOST:29500"),
        (f"http://{short}/a", "http://HOST/a"),
        (f"scp {user}@{short}:/data/1.png", "scp USER@HOST:…/1.png"),
        (f"~{user}", "~USER"),
    ]:
        assert without_places(text) == expected
        assert without_places(text.upper().replace("TCP", "tcp")) != text.upper(), "the case says nothing"
    for text in (f"x{user}@y", f"http://x{short}/a", f"{short}s:8080", f"{short} and {user}"):
        assert without_places(text) == text


def test_a_host_with_its_domain_is_no_word(called):
    called("alice", "n1.cluster.example")
    assert without_places("on n1.cluster.example.") == "on HOST."
    assert without_places("on n1") == "on n1"


def test_a_whole_part_of_another_path_goes_and_no_piece_of_one(called):
    called("alice", "node7")
    assert without_places("runs/alice/1, alice/runs, (runs/node7)") == "runs/USER/1, USER/runs, (runs/HOST)"
    for text in ("malice/1", "runs/alice.png", "alice-2/1", "alice"):
        assert without_places(text) == text
    assert without_places("/data/alice") == "…/USER"


def test_words_go_where_a_text_comes_from_anywhere(called):
    called("alice", "node7.cluster.example")
    assert without_names("by alice on node7: /home/alice/x/1.png") == "by USER on HOST: …/1.png"
    assert without_names("malice of node77") == "malice of node77"
    called("test", "localhost")
    assert without_names("the test split on localhost") == "the test split on localhost"


@pytest.mark.parametrize("name", ["test", "alice", "fake", "cuda"])
def test_keys_and_words_of_an_evaluation_stay(called, name):
    called(name, name)
    report = EvaluationReport(
        run=name, checkpoint=f"/home/{name}/run/checkpoints/000500", step=500, split="test", n=2,
        values={f"l1.{name}": 1.0, name: 2.0}, intervals={}, baseline=None, ratio={}, baseline_intervals={},
        overlap=0, seconds=1.0, device="cuda", versions={name: f"{name} 1.0"},
        unavailable={"lpips": f"its weights are not at /home/{name}/.cache/x.pth"},
        warnings=(f"the test split of {name}@{name} has 2 examples",),
    )  # fmt: skip
    found = report.as_dict()
    assert (found["run"], found["split"], found["device"]) == (name, "test", "cuda")
    assert found["checkpoint"] == "checkpoints/000500"
    assert list(found["values"]) == [f"l1.{name}", name, "lpips"]
    assert found["versions"] == {name: f"{name} 1.0"}
    assert found["unavailable"] == {"lpips": "its weights are not at …/x.pth"}
    who = "test@test" if name == "test" else "USER@HOST"
    assert found["warnings"] == [f"the test split of {who} has 2 examples"]
