"""What only the meta device shows: shapes, idle turns, circular specs, and combinations that are known to be wrong."""

from __future__ import annotations

import re

import pytest

from translate.components import Catalogue
from translate.errors import PipelineError
from translate.pipeline.checking import check
from translate.pipeline.opening import open_dataset
from translate.plugin_manager import PluginManager

UNET = ("{generator: toy_dense, makes: target}", "{generator: unet, makes: target, width: 2}")
PENALTY = (
    "losses:\n",
    "  between: mix(target, fake)\nlosses:\n  gp: {loss: gradient_penalty, of: 'D(between, source)', at: between}\n",
)


def optimizers(text):
    return ("batch_size: 4", f"batch_size: 4\n  optimizers: {text}")


def test_the_game_comes_back_for_drawings(load, catalogue):
    pipeline = load(PENALTY).pipeline
    game = check(pipeline, open_dataset(pipeline).fields, catalogue=catalogue)
    assert sorted(game.networks) == ["D", "G"]
    assert all(parameter.is_meta and parameter.requires_grad for parameter in game.networks["D"].parameters())


def test_a_shape_that_does_not_fit_names_expression_inputs_and_place(load):
    text = load(
        ("fake: G(source, z)", "fake: G(concat(source, z), z)\n  bad: mix(source, z)"),
        ("preview: [", "preview: [bad, "),
        whole=True,
    )
    assert "game.yaml:11:8: flow.bad: " in str(text)
    text = load(
        ("  D: {", "  E: {discriminator: patchgan}\n  D: {"),
        ("  adversarial:", "  other: {loss: bce, real: E(z), fake: E(fake)}\n  adversarial:"),
        whole=True,
    )
    assert "networks.E: patchgan needs at least one image (got Vector(3))" in str(text)
    assert "(discriminator 'patchgan' from discriminators (translate-images" in str(text)


def test_a_network_called_with_another_size_names_what_it_got(load):
    call = ("fake: G(source, z)", "fake: G(source, z)\n  twice: G(source, source)")
    text = load(call, ("preview: [", "preview: [twice, "), whole=True).only()
    picture = "Image(1x4x4 in [-1, 1])"
    assert text.startswith(f"game.yaml:11:10: flow.twice: `G(source, source)` gives 'G' ({picture}, {picture}), and it")
    assert f"it was built for ({picture}, Vector(3)), as in `G(source, z)`" in text
    assert "Give it the same inputs in every call, or add a second network" in text


def test_what_depends_on_a_failure_is_not_reported_again(load):
    tried = load(("fake: G(source, z)", "fake: G(wrong, z)\n  wrong: mix(source, z)"), whole=True)
    assert "flow.wrong" in tried.only()


def test_a_spec_that_failed_is_not_taken_for_a_circle(load):
    tried = load(
        ("makes: target", "makes: wrong"),
        ("fake: G(source, z)", "fake: G(source, z)\n  again: G(target, z)\n  wrong: mix(source, z)"),
        ("preview: [", "preview: [again, "),
        whole=True,
    )
    assert "itself" not in tried.only()


@pytest.mark.parametrize("makes", ["fake", "half"])
def test_a_network_that_makes_what_it_makes(load, makes):
    call = ("fake: G(source, z)", "fake: G(source, z)\n  half: G(target, z)")
    text = str(load(("makes: target", f"makes: {makes}"), call, ("preview: [", "preview: [half, "), whole=True))
    assert "what 'G' makes depends on" in text
    assert "itself" in text


def test_a_loss_that_cannot_be_computed_names_what_it_got(load):
    tried = load(("of: fake, to: target, weight", "of: fake, to: z, weight"), whole=True)
    text = tried.only()
    assert "game.yaml:13:19: losses.reconstruction: loss 'l1' from losses (translate-images" in text
    assert "(of: fake 4x1x4x4, to: z 4x3)" in text


def test_an_operation_checks_its_call(load):
    text = str(load(("fake: G(source, z)", "fake: G(pool(source, sise=3), z)"), whole=True))
    assert "game.yaml:10:11: flow.fake: pool(sise): no such parameter. Did you mean 'size'?" in text
    text = str(load(("fake: G(source, z)", "fake: G(leaf(source, z), z)"), whole=True))
    assert "leaf takes value by position (got 2)" in text


def test_a_turn_without_a_loss(load):
    turns = ("training:\n", "turns: {a: {learn: G}, b: {learn: D, losses: reconstruction}}\ntraining:\n")
    tried = load(turns, whole=True)
    assert "turns.b: no loss depends on D on the side of the discriminators" in str(tried)


def test_a_network_that_learns_nothing_in_its_turn(load):
    tried = load(
        ("  D: {", "  E: {discriminator: toy_dense}\n  D: {"), ("preview: [", "preview: ['E(source)', "), whole=True
    )
    assert "networks.E: network 'E' learns in turn 'discriminators', but none of the turn's losses" in tried.only()


def test_a_problem_of_a_later_phase_points_into_it(load):
    phase = ("", "phases:\n  - {start: 3, losses: {reconstruction: {to: z}}}\n")
    assert "game.yaml:25:" in load(phase, whole=True).only()
    phase = ("", "phases:\n  - start: 3\n    flow: {fake: 'G(source, source)'}\n")
    assert "game.yaml:26:19: phases.0.flow.fake: `G(source, source)`" in str(load(phase, whole=True))


def test_names_are_checked_when_a_dataset_says_them_only_once_it_is_open(load, catalogue):
    from toys import toy_data

    declared = toy_data.field_names
    try:
        del toy_data.field_names
        tried = load(("fake: G(source, z)", "fake: G(sorce, z)"), whole=True)
    finally:
        toy_data.field_names = declared
    assert "game.yaml:10:11: flow.fake: no value is named 'sorce'. Did you mean 'source'?" in tried.only()


# -- combinations that are known to be wrong --------------------------------------------------------------------------


def test_an_output_that_does_not_span_the_range(load):
    range_ = ("image_size: 4", "image_size: 4, value_range: [0, 1]")
    unet = (UNET[0], UNET[1].replace("width: 2", "width: 2, output: tanh"))
    call = ("fake: G(source, z)", "fake: G(source)")
    latent = ("latents:\n  z: {latent: normal, size: 3}\n", "")
    export = ("inputs: [source, z]", "inputs: [source]")
    text = load(range_, unet, call, latent, export, whole=True).only()
    assert text.startswith("game.yaml:5:6: networks.G: output is 'tanh', which makes values in [-1, 1]")
    assert not load(range_, UNET, call, latent, export, whole=True).problems


def test_a_penalty_with_batch_norm(load):
    assert not load(PENALTY, whole=True).problems
    text = load(PENALTY, ("discriminator: toy_dense", "discriminator: toy_dense, norm: true"), whole=True).only()
    assert "losses.gp: network 'D' has batch normalisation" in text
    assert "`norm: instance`" in text


def test_a_penalty_with_clipped_weights(load):
    clip = optimizers("{discriminators: {name: rmsprop, clip_weights: 0.01}}")
    assert "losses.gp: a gradient penalty and weight clipping constrain" in load(PENALTY, clip, whole=True).only()
    assert not load(PENALTY, optimizers("{generators: {clip_weights: 0.01}}"), whole=True).problems


def test_a_penalty_at_a_value_that_is_no_leaf(load):
    wrong = ("losses:\n", "losses:\n  gp: {loss: r1, of: 'D(target, source)', at: target}\n")
    text = load(wrong, whole=True).only()
    assert "losses.gp: loss 'r1'" in text
    assert "name a leaf in the flow" in text


def test_a_sigmoid_before_a_loss_on_logits(load):
    sigmoid = ("discriminator: toy_dense", "discriminator: toy_dense, sigmoid: true")
    assert "losses.adversarial: network 'D' ends in a sigmoid" in load(sigmoid, whole=True).only()
    assert not load(sigmoid, ("loss: bce", "loss: lsgan"), whole=True).problems


WASSERSTEIN = ("loss: bce", "loss: wasserstein")


@pytest.mark.parametrize(
    "bound",
    [
        optimizers("{discriminators: {name: rmsprop, clip_weights: 0.01}}"),
        PENALTY,
        ("discriminator: toy_dense", "discriminator: toy_dense, weights: spectral"),
    ],
    ids=["clipped", "penalised", "spectral"],
)
def test_a_wasserstein_critic_needs_a_bound(load, bound):
    """What three peers let pass: a critic whose slope nothing holds, so that its loss has no minimum."""
    text = load(WASSERSTEIN, whole=True).only()
    assert "losses.adversarial: nothing bounds the slope of critic 'D'" in text
    assert "`clip_weights`" in text
    assert not load(WASSERSTEIN, bound, whole=True).problems


@pytest.mark.parametrize(("norm", "bounded"), [("", True), (" instance", True), (" batch", False), (" layer", False)])
def test_spectral_norm_is_no_bound_beside_a_scale_that_is_free(load, norm, bounded):
    critic = (
        "discriminator: toy_dense",
        f"discriminator: stack, layers: [c4k4s2{norm} leaky, fc1], weights: spectral",
    )
    found = load(critic, WASSERSTEIN, whole=True)
    assert bool(found.problems) is not bounded
    if not bounded:
        assert "`weights: spectral` in a critic without batch or layer normalisation" in found.only()


@pytest.mark.parametrize("weights", ["spectral", "equalised"])
def test_clipping_of_numbers_that_are_not_the_weights_is_refused(load, weights):
    parametrised = ("discriminator: toy_dense", f"discriminator: toy_dense, weights: {weights}")
    clip = optimizers("{discriminators: {name: rmsprop, clip_weights: 0.01}}")
    text = load(parametrised, clip, whole=True).only()
    assert "networks.D: `clip_weights` in turn 'discriminators' clamps the numbers that network 'D' stores" in text
    assert f"not the weights that `weights: {weights}` makes of them; remove one of them" in text
    assert not load(parametrised, optimizers("{generators: {clip_weights: 0.01}}"), whole=True).problems


def test_a_penalty_on_packs_of_what_was_mixed_is_refused(load):
    penalty = '  gp: {loss: gradient_penalty, of: "D(pack(source), pack(between))", at: between}\n'
    apart = ("losses:\n", f"  between: mix(target, fake)\nlosses:\n{penalty}")
    judged = (
        ('real: "D(source, target)"', 'real: "D(pack(source), pack(target))"'),
        ('fake: "D(source, fake)"', 'fake: "D(pack(source), pack(fake))"'),
    )
    text = load(apart, *judged, whole=True).only()
    assert "`of` has 2 examples and `at` 4" in text
    assert "`between: mix(pack(real), pack(fake))`" in text
    packed = (apart[0], apart[1].replace("mix(target, fake)", "mix(pack(target), pack(fake))"))
    packed = (packed[0], packed[1].replace("pack(between)", "between"))
    assert not load(packed, *judged, whole=True).problems


def test_a_bound_of_the_generators_is_none_of_the_critics(load):
    clip = optimizers("{generators: {name: rmsprop, clip_weights: 0.01}}")
    assert "nothing bounds the slope of critic 'D'" in load(WASSERSTEIN, clip, whole=True).only()


def test_a_loss_that_refuses_to_be_made_is_a_problem_at_its_place(load, tmp_path):
    missing = tmp_path / "vgg19.safetensors"
    wanted = (
        "reconstruction: {loss: l1, of: fake, to: target, weight: 100}",
        f"reconstruction: {{loss: perceptual, of: fake, to: target, weights_file: {missing}}}",
    )
    text = load(wanted, whole=True).only()
    assert "game.yaml:13:19: losses.reconstruction: " in text
    assert "there are no weights of VGG-19 at vgg19.safetensors" in text


@pytest.mark.parametrize(("weights", "blamed"), [("", "TD"), (", weights: spectral", "T")])
def test_the_trunk_behind_a_critic_needs_a_bound_and_no_batch_norm_too(load, weights, blamed):
    trunk = "discriminator: stack, layers: [c4k4s2 batch leaky]"
    split = (
        "  D: {discriminator: toy_dense}",
        f"  T: {{{trunk}}}\n  D: {{discriminator: toy_dense{weights}}}",
    )
    through = (
        'real: "D(source, target)", fake: "D(source, fake)"',
        'real: "D(T(target))", fake: "D(T(fake))"',
    )
    text = str(load(split, through, WASSERSTEIN, whole=True))
    assert {name for name in "TD" if f"critic '{name}'" in text} == set(blamed)
    penalty = (
        "losses:\n",
        "  between: mix(target, fake)\nlosses:\n  gp: {loss: gradient_penalty, of: D(T(between)), at: between}\n",
    )
    text = load(split, through, WASSERSTEIN, penalty, whole=True).only()
    assert "losses.gp: network 'T' has batch normalisation" in text


def test_an_operation_that_is_told_another_range_is_refused(load):
    told = ("fake: G(source, z)", "fake: G(negative(source), z)")
    assert not load(told, whole=True).problems
    text = str(load(told, ("image_size: 4", "image_size: 4, value_range: [0, 1]"), whole=True))
    assert "negative is told another value range than that of Image(1x4x4 in [0, 1])" in text
    assert "Write negative(..., low=0)" in text
    right = ("fake: G(source, z)", "fake: G(negative(source, low=0.0), z)")
    assert not load(right, ("image_size: 4", "image_size: 4, value_range: [0, 1]"), whole=True).problems


@pytest.mark.parametrize("call", ["blur(pyramid(source))", "sigmoid([source, source])", "concat([source, source])"])
def test_an_operation_that_takes_no_list_says_so(load, call):
    text = load(("preview: [source, fake]", f'preview: [source, fake, "{call}"]'), whole=True).only()
    name = call.partition("(")[0]
    assert f"`{call}`: {name} takes single values, not lists or mappings of them" in text
    assert "Name one of them, as in `judged.logits`" in text


def test_an_operation_between_examples_needs_several_of_them(load):
    stddev = ('real: "D(source, target)"', 'real: "D(source, minibatch_stddev(target))"')
    both = (stddev, ('fake: "D(source, fake)"', 'fake: "D(source, minibatch_stddev(fake))"'))
    assert not load(*both, whole=True).problems
    text = str(load(*both, ("batch_size: 4", "batch_size: 4\n  accumulate: 4"), whole=True))
    assert "losses.adversarial.real: minibatch_stddev needs 2 examples at once" in text


LIKELIHOOD = ("reconstruction: {loss: l1,", "reconstruction: {loss: bernoulli,")


def test_a_loss_that_compares_with_another_range_is_refused(load):
    text = str(load(LIKELIHOOD, whole=True))
    assert "losses.reconstruction: this loss compares with images in [0, 1], but 'target' is in [-1, 1]." in text
    assert "Write `value_range: [0, 1]` under `data`" in text
    assert not load(LIKELIHOOD, ("image_size: 4", "image_size: 4, value_range: [0, 1]"), whole=True).problems


def test_probabilities_for_a_loss_that_takes_logits_are_refused(load):
    unit = ("image_size: 4", "image_size: 4, value_range: [0, 1]")
    start = "reconstruction: {loss: l1, of: fake"
    text = load((start, 'reconstruction: {loss: bernoulli, of: "sigmoid(fake)"'), unit, whole=True).only()
    assert "losses.reconstruction: `sigmoid(fake)` is a probability" in text
    assert "takes what comes before a sigmoid" in text
    assert not load((start, 'reconstruction: {loss: l1, of: "sigmoid(fake)"'), unit, whole=True).problems


HEAD = "discriminator: toy_dense"


def judge(*ending, loss="bce"):
    """The small pipeline with a discriminator of layers, and a loss."""
    layers = f"discriminator: stack, layers: [fc8 leaky, {' '.join(('fc1', *ending))}]"
    return (HEAD, layers), ("loss: bce", f"loss: {loss}")


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
    sigmoid = (HEAD, f"{HEAD}, sigmoid: true")
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


# -- both sides -------------------------------------------------------------------------------------------------------

SIDES = 'real: "D(source, target)", fake: "D(source, fake)"'


def sides(real, fake):
    return SIDES, f'real: "{real}", fake: "{fake}"'


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
    more += [(HEAD, "discriminator: stack, layers: [fc8 leaky, fc1]")] if "digit" in real else []  # takes labels
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
    more += [(HEAD, "discriminator: toy_growing_d")] if "growth" in real else []
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


# -- runs that have begun ---------------------------------------------------------------------------------------------


def test_a_training_that_has_begun_with_what_is_wrong_goes_on_and_is_told(load, catalogue, caplog):
    pipeline = load(sides("D(source, target)", "D(source, pool(fake))")).pipeline
    fields = open_dataset(pipeline).fields
    with pytest.raises(PipelineError, match="judges earlier examples"):
        check(pipeline, fields, catalogue=catalogue)
    check(pipeline, fields, catalogue=catalogue, begun=True)
    (said,) = caplog.messages
    assert said.startswith("this training has begun with what is known to be wrong, and goes on: ")
    assert "judges earlier examples" in said


def test_what_cannot_run_is_refused_in_a_training_that_has_begun_too(load, catalogue):
    pipeline = load(("of: fake, to: target, weight", "of: fake, to: z, weight")).pipeline
    with pytest.raises(PipelineError, match="cannot be computed"):
        check(pipeline, open_dataset(pipeline).fields, catalogue=catalogue, begun=True)


def test_optimisers_to_reset_need_a_phase_to_reset_them_at(load):
    reset = ("batch_size: 4", "batch_size: 4\n  reset_optimizers: true")
    text = load(reset, whole=True).only()
    assert "training.reset_optimizers: there is no phase to reset at. Write it in an entry of `phases`" in text
    phase = ("", "phases:\n  - {start: 3, losses: {reconstruction: {weight: 1}}}\n")
    assert not load(reset, phase, whole=True).problems


@pytest.mark.parametrize("side", [", side: discriminators", ""])
def test_a_loss_that_no_turn_counts_is_a_problem(load, side):
    given = "fake" if side else "source"
    loss = ("losses:\n", f"losses:\n  idle: {{loss: l1, of: {given}, to: target{side}}}\n")
    text = load(loss, whole=True).only()
    where = " on the side of the discriminators" if side else ""
    assert "game.yaml:12:3: losses.idle: no turn counts this loss: nothing that it is given comes from " in text
    assert f"a network that learns{where}. Give it such a value, count it on another `side`, or remove it" in text
    off = ("losses:\n", f"losses:\n  idle: {{loss: l1, of: {given}, to: target{side}, weight: 0}}\n")
    assert not load(off, whole=True).problems
    later = ("", "phases:\n  - {start: 3, losses: {idle: {of: fake, side: generators}}}\n")
    assert not load(loss, later, whole=True).problems
    only_later = ("", f"phases:\n  - {{start: 3, losses: {{idle: {{loss: l1, of: {given}, to: target{side}}}}}}}\n")
    assert ": phases.0.losses.idle: no turn counts this loss" in load(only_later, whole=True).only()


def test_a_side_may_be_frozen_by_turns_without_a_step(load):
    assert not load(("training:\n", "turns: {discriminators: 0}\ntraining:\n"), whole=True).problems


def test_a_phase_that_starts_when_the_training_is_over_is_a_problem(load):
    def at(step):
        return ("", f"phases:\n  - {{start: 3}}\n  - {{start: {step}, losses: {{reconstruction: {{weight: 1}}}}}}\n")

    text = load(at(10), whole=True).only()
    assert re.search(r"game\.yaml:\d+:13: phases\.1\.start: this phase never begins: `training\.steps` is 10", text)
    assert not load(at(9), whole=True).problems


def test_a_training_may_be_shortened_on_the_command_line_to_try_it(load):
    phase = ("", "phases:\n  - {start: 8, losses: {reconstruction: {weight: 1}}}\n")
    assert not load(phase, overrides=["training.steps=2"], whole=True).problems


def test_built_in_components_say_what_the_check_reads():
    manager = PluginManager()
    manager.load_entry_points()
    catalogue: Catalogue = manager.catalogue

    def having(kind, attribute):
        return {entry.name for entry in catalogue.of_kind(kind) if getattr(entry.factory, attribute, False)}

    assert having("loss", "is_penalty") >= {"gradient_penalty", "r1"}
    assert having("loss", "expects_logits") >= {"bce", "relativistic"}
    assert having("loss", "expects_range") >= {"bernoulli"}
    assert having("loss", "label_choices") >= {"lsgan"}
    assert having("operation", "makes_probabilities") >= {"sigmoid"}
    assert having("loss", "needs_constraint") >= {"wasserstein"}
    assert having("parametrization", "bounds_weights") >= {"spectral"}
    assert having("operation", "makes_leaf") >= {"mix", "leaf"}
    assert having("operation", "keeps_values") >= {"concat", "crop", "halves", "leaf", "pack", "pool", "shuffle"}
    assert having("operation", "both_sides") == {"augment", "minibatch_stddev", "noise", "pack"}
    assert having("operation", "is_history") == {"pool", "replay"}
    assert having("operation", "part_of_model") >= {"truncate"}
    assert having("dataset", "field_names") >= {"paired_folders", "side_by_side", "single_folder", "drawn"}


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [("{schedule: cycle, values: [1, -1]}", "(step 1: -1)"), ("{schedule: constant, value: 0.5}", "(step 0: 0.5)")],
)
def test_a_schedule_of_steps_that_gives_no_number_of_steps(load, steps, wrong):
    turns = f"turns: {{discriminators: {{steps: {steps}}}, generators: 1}}\n"
    text = load(("", turns), whole=True).only()
    assert f"turns.discriminators.steps: must be a whole number of at least 0 at every step {wrong}" in text


@pytest.mark.parametrize(
    ("rate", "wrong"),
    [
        ("constant, value: -1.0", "must be a learning rate of at least 0 at every step (step 2: -1)"),
        (
            "linear, initial: 1.0, final: -0.01, end: 4",
            "a learning rate of at least 0 at every step (step 4: -0",
        ),
        ("steps, values: [1.0, -1.0], boundaries: [3500]", "of at least 0 at every step (step 35"),
        ("linear, start: 9, end: 3, initial: 1.0, final: 0.0", "end"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_learning_rate_of_a_later_phase_that_is_none(load, rate, wrong, named):
    use = f"{{schedule: {rate}}}"
    phases = (
        f"phases:\n  - start: 2\n    training: {{optimizers: {{generators: {{lr: {'decay' if named else use}}}}}}}\n"
    )
    decay = ("  growth: {", f"  decay: {use}\n  growth: {{") if named else ("", "")
    text = load(("steps: 10\n", "steps: 4000\n"), ("", phases), decay, whole=True).only()
    place = "schedules.decay: " if named else "phases.0.training.optimizers.generators.lr: "
    assert place in text
    assert wrong in text
    assert re.match(r"game\.yaml:\d+:\d+: ", text)


def test_a_learning_rate_that_is_not_finite_later(load, monkeypatch):
    from translate_plugins.schedules.constant import Constant

    monkeypatch.setattr(Constant, "__call__", lambda _, step: 0.1 if step < 7 else float("nan"))
    rate = optimizers("{generators: {lr: {schedule: constant, value: 1.0}}}")
    text = load(rate, whole=True).only()
    assert "training.optimizers.generators.lr: schedule 'constant'" in text
    assert "must give a finite number (got nan) (step 7)" in text


def test_a_schedule_in_place_that_refuses_its_numbers(load):
    wrong = "{schedule: linear, start: 9, end: 3, initial: 1.0, final: 0.0}"
    turns = f"turns: {{discriminators: {{steps: {wrong}}}, generators: 1}}\n"
    assert "turns.discriminators.steps: " in load(("", turns), whole=True).only()
    weight = ("adversarial: {loss: bce", f"adversarial: {{weight: {wrong}, loss: bce")
    assert "losses.adversarial.weight: " in load(weight, whole=True).only()


def test_a_keyword_that_a_network_does_not_know(load):
    text = load(("fake: G(source, z)", "fake: G(source, z, nois=z)"), whole=True).only()
    assert "flow.fake: 'G' has no input called 'nois'" in text
