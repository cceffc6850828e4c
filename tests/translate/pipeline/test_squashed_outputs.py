"""Sigmoids and their like before losses that take logits, and labels and ranges that cannot be reached."""

from __future__ import annotations

import pytest
from pipelines import JUDGE


def test_probabilities_for_a_loss_that_takes_logits_are_refused(load):
    unit = ("image_size: 4", "image_size: 4, value_range: [0, 1]")
    start = "reconstruction: {loss: l1, of: fake"
    text = load((start, 'reconstruction: {loss: bernoulli, of: "sigmoid(fake)"'), unit, whole=True).only()
    assert "losses.reconstruction: `sigmoid(fake)` is a probability" in text
    assert "takes what comes before a sigmoid" in text
    assert not load((start, 'reconstruction: {loss: l1, of: "sigmoid(fake)"'), unit, whole=True).problems


def judge(*ending, loss="bce"):
    """The small pipeline with a discriminator of layers, and a loss."""
    layers = f"discriminator: stack, layers: [fc8 leaky, {' '.join(('fc1', *ending))}]"
    return (JUDGE, layers), ("loss: bce", f"loss: {loss}")


@pytest.mark.parametrize("loss", ["bce", "hinge", "relativistic"])
@pytest.mark.parametrize(("word", "said"), [("sigmoid", "sigmoid"), ("tanh", "tanh"), ("relu", "ReLU")])
def test_whatever_squashes_before_a_loss_on_logits_is_refused(load, loss, word, said):
    text = load(*judge(word, loss=loss), whole=True).only()
    assert f"losses.adversarial: network 'D' ends in a {said}, but this loss takes what comes before a {said}. " in text
    assert f"Remove the {said}" in text


def test_what_changes_no_value_hides_no_sigmoid(load):
    assert "ends in a sigmoid" in load(*judge("sigmoid", "dropout0.5"), whole=True).only()


@pytest.mark.parametrize("ending", [(), ("leaky",), ("prelu",)])
def test_what_leaves_room_on_both_sides_of_zero_may_come_last(load, ending):
    assert not load(*judge(*ending), whole=True).problems


@pytest.mark.parametrize(
    "through",
    ["concat({0}, {0})", "concat({0})", "[{0}, {0}]", "pack({0}, count=2)", "halves(concat({0}, {0})).first"],
)
def test_a_sigmoid_is_seen_through_what_keeps_values(load, through):
    places = ('real: "D(source, target)", fake: "D(source, fake)"', 'real: "REAL", fake: "FAKE"')
    calls = [("REAL", through.format("D(source, target)")), ("FAKE", through.format("D(source, fake)"))]
    sigmoid = (JUDGE, f"{JUDGE}, sigmoid: true")
    assert "network 'D' ends in a sigmoid" in load(places, *calls, sigmoid, whole=True).only()
    assert not load(places, *calls, whole=True).problems
    calls = [
        ("REAL", through.format("sigmoid(D(source, target))")),
        ("FAKE", through.format("sigmoid(D(source, fake))")),
    ]
    text = str(load(places, *calls, whole=True))
    assert "`sigmoid(D(source, target))` is a probability" in text


@pytest.mark.parametrize(
    ("ending", "labels", "beyond"),
    [
        ("sigmoid", "a: -1, b: 1, c: 0", "`a: -1`"),
        ("sigmoid", "a: 0, b: 1.2, c: 1.2", "`b: 1.2`, `c: 1.2`"),
        ("tanh", "a: 0, b: 2, c: 1", "`b: 2`"),
        ("relu", "a: -1, b: 1, c: 0", "`a: -1`"),
        ("sigmoid", "a: 0, b: 1, c: 1", ""),
        ("sigmoid", "a: 0.1, b: 0.9, c: 0.9", ""),
        ("tanh", "a: -1, b: 1, c: 0", ""),
        ("relu", "a: 0, b: 2, c: 2", ""),
        ("leaky", "a: -1, b: 1, c: 0", ""),
    ],
)
def test_labels_that_a_squashed_output_cannot_reach_are_refused(load, ending, labels, beyond):
    tried = load(*judge(ending, loss=f"lsgan, {labels}"), whole=True)
    if not beyond:
        assert not tried.problems
        return
    text = tried.only()
    assert f"which can never reach {beyond}. " in text
    assert "choose labels within" in text


def test_labels_that_a_sigmoid_outside_of_the_network_cannot_reach_are_refused(load):
    sides = (
        'real: "D(source, target)", fake: "D(source, fake)"',
        'real: "sigmoid(D(source, target))", fake: "sigmoid(D(source, fake))"',
    )
    text = str(load(sides, ("loss: bce", "loss: lsgan, a: -1, b: 1, c: 0"), whole=True))
    assert "`sigmoid(D(source, fake))` is a probability, in [0, 1], which can never reach `a: -1`" in text
    assert not load(sides, ("loss: bce", "loss: lsgan"), whole=True).problems


UNIT = ("image_size: 4", "image_size: 4, value_range: [0, 1]")


def test_a_loss_that_is_told_another_range_is_refused(load, tmp_path):
    start = "reconstruction: {loss: l1, of: fake, to: target, weight: 100}"
    file = tmp_path / "none.safetensors"
    wanted = f"reconstruction: {{loss: perceptual, of: fake, to: target, weights_file: {file}"
    told = "losses.reconstruction: perceptual is told another value range than that of Image(1x4x4 in [0, 1])"

    def tried(more, *pairs):
        return str(load((start, f"{wanted}{more}}}"), *pairs, whole=True))

    assert f"{told}. Write `low: 0`" in tried("", UNIT)
    assert "told another value range" not in tried(", low: 0.0", UNIT)
    assert "told another value range" not in tried("")
    assert "Write `low: -1`" in tried(", low: 0.0")
