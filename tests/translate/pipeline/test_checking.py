"""What only the meta device shows: shapes, idle turns, circular specs, and combinations that are known to be wrong."""

from __future__ import annotations

import re

import pytest
from pipelines import sides

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


@pytest.mark.parametrize(
    ("choice", "side", "what"),
    [
        ("label_noise: 0.05", "generators", "label_noise: it counts for the discriminators alone"),
        ("halve: false", "generators", "halve: it counts for the discriminators alone"),
        ("minimax: true", "discriminators", "minimax: it counts for the generators alone"),
    ],
)
def test_choices_of_the_other_side_are_a_problem(load, choice, side, what):
    both = ("loss: bce", f"loss: bce, {choice}")
    other = "discriminators" if side == "generators" else "generators"
    judged = "real: 'D(source, target)', fake: 'D(source, fake)'"
    twice = ("losses:\n", f"losses:\n  rest: {{loss: bce, side: {other}, {judged}}}\n")
    assert not load(both, whole=True).problems
    text = load(("loss: bce", f"loss: bce, side: {side}, {choice}"), twice, whole=True).only()
    assert f"losses.adversarial.{what}, and this term for the {side}. Remove it" in text
    right = ("loss: bce", f"loss: bce, side: {other}, {choice}")
    assert not load(right, (twice[0], twice[1].replace(other, side)), whole=True).problems


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
