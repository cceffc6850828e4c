"""What a discriminator compares: treatments of one side, equal or exchanged sides, histories without a condition."""

from __future__ import annotations

import pytest
from pipelines import JUDGE, sides

# -- both sides -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "fake", "treated"),
    [
        ("D(source, target)", "D(source, noise(fake))", "`noise(fake)` treats `fake`"),
        ("D(source, noise(target))", "D(source, fake)", "`noise(target)` treats `real`"),
        ("D(source, noise(target))", "D(noise(source), fake)", "`noise(target)` treats `real`"),
        ("D(source, noise(target, growth))", "D(source, noise(fake))", "`noise(fake)` treats `fake`"),
        ("D(source, noise(target, std=0.2))", "D(source, noise(fake))", "`noise(fake)` treats `fake`"),
        (
            "D(concat(source, target))",
            "D(augment(concat(source, fake)))",
            "` treats `fake`",
        ),
        ("D(target)", "D(pool(noise(fake)))", "`noise(fake)` treats `fake`"),
        ("[D(target), D(target)]", "[D(fake), D(noise(fake))]", "`noise(fake)` treats `fake`"),
        ("D(target)", "D(seen)", "flow.seen: `noise(fake)` treats `fake`"),
        ("D(source)", "D(packed)", "it was built for"),
    ],
)
def test_a_treatment_of_one_side_is_refused(load, real, fake, treated):
    names = ("losses:\n", "  seen: noise(fake)\n  packed: pack(fake)\nlosses:\n")
    shown = ("preview: [source, fake]", "preview: [source, fake, seen, packed]")
    text = str(load(sides(real, fake), names, shown, whole=True))
    assert treated in text
    if "treats" in treated:
        operation = "augment" if "augment" in fake else "noise"
        assert f"Write {operation}(...) with the same settings in `real` and in `fake`" in text


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        ("D(source, noise(target))", "D(source, noise(fake))"),
        ("D(source, noise(target, growth))", "D(source, noise(fake, growth))"),
        ("D(augment(concat(source, target)))", "D(augment(concat(source, fake)))"),
        ("D(pack(source), pack(target))", "D(pack(source), pack(fake))"),
        ("D(minibatch_stddev(target))", "D(minibatch_stddev(fake))"),
        ("D(noise(target))", "D(pool(noise(fake)))"),
        ("D(noise(target))", "D(noise(replay(fake)))"),
        ("D(target)", "D(pool(fake))"),
        ("D(target)", "D(replay(fake))"),
        ("D(target)", "D(G(noise(source), z))"),
        ("D(given, target)", "D(given, G(given, z))"),
        ("D(given)", "D(seen)"),
    ],
)
def test_a_treatment_of_both_sides_a_history_and_noise_before_a_generator_pass(load, real, fake):
    names = ("losses:\n", "  given: noise(target)\n  seen: noise(fake)\nlosses:\n")
    shown = ("preview: [source, fake]", "preview: [source, fake, seen, given]")
    assert not load(sides(real, fake), names, shown, whole=True).problems


def test_noise_on_labels_is_no_treatment(load):
    assert not load(("loss: bce", "loss: bce, label_noise: 0.05, smoothing: 0.1"), whole=True).problems


@pytest.mark.parametrize("same", ["D(source, target)", "D(source, fake)", "D(source, noise(fake))"])
def test_equal_sides_are_refused(load, same):
    text = str(load(sides(same, same), whole=True))
    assert "losses.adversarial: `real` and `fake` are the same, so that there is nothing to tell." in text
    assert "Give `fake` what a generator made" in text


def test_sides_the_wrong_way_round_are_refused(load):
    text = load(sides("D(source, fake)", "D(source, target)"), whole=True).only()
    assert "losses.adversarial: a generator takes part in `real` (D(source, fake)) and none in `fake`" in text
    assert "Exchange the two" in text
    assert not load(sides("D(source, target)", "D(source, fake)"), whole=True).problems


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        ("D(target, G(target, z))", "D(G(source, z), source)"),  # as in a game of encoders and decoders
        ("D(G(target, z))", "D(G(source, z))"),
        ("D(z)", "D(E(source))"),  # the prior is real, the code is not
    ],
)
def test_games_in_which_generators_reach_both_sides_or_make_a_code_pass(load, real, fake):
    encoder = ("  D: {", "  E: {generator: toy_dense, makes: z}\n  D: {")
    more = [("to: target, weight", "to: target, weight")]
    if "E(" in fake:
        more = [encoder]
    assert not load(sides(real, fake), *more, whole=True).problems


# -- histories --------------------------------------------------------------------------------------------------------

LABELLED = (
    "latents:\n",
    "latents:\n  digit: {latent: categorical, classes: 3, one_hot: false}\n  code: {latent: normal, size: 2}\n",
)


@pytest.mark.parametrize(
    ("real", "fake", "right"),
    [
        ("D(source, target)", "D(source, pool(fake))", "D(pool(concat(source, fake)))"),
        ("D(source, target)", "D(source, replay(fake, size=9))", "D(replay(concat(source, fake)))"),
        ("D(target, digit)", "D(pool(fake), digit)", "D(pool(concat(fake, one_hot(digit, classes=3))))"),
        ("D(source, target)", "D(pool(source), pool(fake))", "D(pool(concat(source, fake)))"),
        ("D(concat(source, target))", "D(concat(source, pool(fake)))", "D(pool(concat(source, fake)))"),
        ("D(T(target), z)", "D(T(pool(fake)), z)", "D(pool(concat(fake, z)))"),
        ("D(T(target), T(source))", "D(T(pool(fake)), T(source))", "D(pool(concat(fake, source)))"),
        ("D(source, target)", "D(source, seen)", "D(pool(concat(source, fake)))"),
    ],
)
def test_a_history_without_its_condition_is_refused(load, real, fake, right):
    names = ("losses:\n", "  seen: pool(fake)\nlosses:\n")
    trunk = ("  D: {", "  T: {discriminator: toy_dense, makes: target}\n  D: {")
    more = [trunk] if "T(" in real else []
    more += [(JUDGE, "discriminator: stack, layers: [fc8 leaky, fc1]")] if "digit" in real else []  # takes labels
    shown = ("preview: [source, fake]", "preview: [source, fake, seen]")
    conditional = ("fake: G(source, z)", "fake: G(source, z, one_hot(digit, classes=3))")
    export = ("inputs: [source, z]", "inputs: [source, z, digit]")
    text = load(sides(real, fake), LABELLED, names, shown, conditional, export, *more, whole=True).only()
    assert "judges earlier examples, from `" in text
    assert f"Keep them together: `{right}`, and `real` joined in the same way; or leave out " in text


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        ("D(concat(source, target))", "D(pool(concat(source, fake)))"),
        ("D(concat(source, target))", "D(replay(concat(source, fake)))"),
        ("D(concat(target, one_hot(digit, classes=3)))", "D(pool(concat(fake, one_hot(digit, classes=3))))"),
        ("D(target, growth)", "D(pool(fake), growth)"),  # a schedule belongs to no example
        ("D(target, code)", "D(pool(fake), code)"),  # noise that made no example
        ("D(T(target), T(target))", "D(T(seen), T(seen))"),  # the same old ones
    ],
)
def test_a_history_with_its_condition_passes(load, real, fake):
    names = ("losses:\n", "  seen: pool(fake)\nlosses:\n")
    trunk = ("  D: {", "  T: {discriminator: toy_dense, makes: target}\n  D: {")
    more = [trunk] if "T(" in real else []
    shown = ("preview: [source, fake]", "preview: [source, fake, seen]")
    more += [(JUDGE, "discriminator: toy_growing_d")] if "growth" in real else []
    assert not load(sides(real, fake), LABELLED, names, shown, *more, whole=True).problems


def test_a_penalty_between_real_and_old_examples_passes(load):
    old = ("losses:\n", "  seen: pool(fake)\n  between: mix(target, seen)\nlosses:\n")
    penalty = ("losses:\n", "losses:\n  gp: {loss: gradient_penalty, of: D(between), at: between}\n")
    loss = ("loss: bce", "loss: wasserstein")
    pairs = [(old[0], old[1].replace(*penalty)), loss]
    assert not load(sides("D(target)", "D(seen)"), *pairs, whole=True).problems
    parted = [(old[0], old[1].replace(*penalty).replace("D(between)", "'D(source, between)'")), loss]
    text = str(load(sides("D(source, target)", "D(source, fake)"), *parted, whole=True))
    assert "`D(source, between)` judges earlier examples, from `pool(fake)`, together with `source`" in text


@pytest.mark.parametrize(
    ("of", "to", "wrong"),
    [
        ("pool(fake)", "source", True),
        ("source", "pool(fake)", True),
        ("pool(fake)", "target", False),  # nothing says that they belong together
        ("pool(fake)", "replay(fake)", False),  # two sets
        ("fake", "source", False),
    ],
)
def test_a_loss_between_earlier_examples_and_what_the_present_ones_are_of_is_refused(load, of, to, wrong):
    more = ("losses:\n", f"losses:\n  far: {{loss: l1, side: discriminators, of: 'D({of})', to: 'D({to})'}}\n")
    found = load(sides("D(target)", "D(fake)"), more, whole=True)
    if wrong:
        assert "losses.far: `" in found.only()
        assert "is of earlier examples, from `pool(fake)`, and `" in found.only()
    else:
        assert not found.problems
