"""What attaches to any pipeline: parametrised weights, terms of one side, turns that are skipped below a loss."""

from __future__ import annotations

import pytest
import torch
from pipelines import resolved_again
from torch import nn

from translate.pipeline.building import build
from translate.specs import Image, Several, Vector

DENSE = {"generator": "toy_dense", "makes": "target"}
GAME = {
    "networks": {"G": DENSE, "D": {"discriminator": "toy_dense"}},
    "flow": {"fake": "G(source)"},
    "losses": {
        "adversarial": {"loss": "bce", "real": "D(source, target)", "fake": "D(source, fake)"},
        "reconstruction": {"loss": "l1", "of": "fake", "to": "target"},
    },
}


# -- parametrised weights ---------------------------------------------------------------------------------------------


def test_weights_are_parametrised_in_any_network(load, catalogue):
    tried = load(("discriminator: toy_dense", "discriminator: toy_dense, weights: spectral"), whole=True)
    assert not tried.problems
    fields = {"source": Image(1, 4, 4), "target": Image(1, 4, 4)}
    networks = build(tried.pipeline, fields, catalogue=catalogue).networks
    found = {
        name: [part for part in network.modules() if nn.utils.parametrize.is_parametrized(part)]
        for name, network in networks.items()
    }
    assert (len(found["D"]), len(found["G"])) == (2, 0)


def test_a_parametrisation_is_resolved_with_its_choices_and_reads_back(load, catalogue):
    written = "discriminator: toy_dense, weights: {parametrization: spectral, iterations: 2}"
    pipeline = load(("discriminator: toy_dense", written)).pipeline
    assert pipeline.resolved["networks"]["D"]["weights"] == {"parametrization": "spectral", "iterations": 2}
    assert resolved_again(pipeline, catalogue) == pipeline.resolved


def test_weights_stay_when_the_network_changes(load):
    written = ("discriminator: toy_dense", "discriminator: toy_dense, weights: spectral")
    pipeline = load(written, overrides=["networks.D.discriminator=patchgan"]).pipeline
    assert pipeline.networks["D"].name == "patchgan"
    assert pipeline.networks["D"].weights.name == "spectral"


def test_an_unknown_parametrisation_is_answered_with_the_right_word(load):
    tried = load(("discriminator: toy_dense", "discriminator: toy_dense, weights: spectrel"))
    assert "networks.D.weights: " in tried.only() or "networks.D.weights.parametrization" in tried.only()
    assert "Did you mean 'spectral'?" in tried.only()
    assert (
        "weigths: no such key. Did you mean 'weights'?"
        in load(("discriminator: toy_dense", "discriminator: toy_dense, weigths: spectral")).only()
    )


def test_spectral_norm_trains_and_its_vectors_move_with_the_training(table):
    game = table({**GAME, "networks": {"G": DENSE, "D": {"discriminator": "toy_dense", "weights": "spectral"}}})
    before = {name: value.clone() for name, value in game.game.networks["D"].state_dict().items()}
    game.runner().iterate(0)
    after = game.game.networks["D"].state_dict()
    moved = {name.rpartition(".")[2] for name in after if not torch.equal(after[name], before[name])}
    assert {"original", "_u", "_v"} <= moved


# -- terms of one side ------------------------------------------------------------------------------------------------


def terms_of(game, turn):
    return [term.name for term in game.runner().evaluator.plan(turn, ()).terms]


def test_a_term_with_a_side_counts_in_its_turns_only(table):
    both = {**GAME["losses"], "judged": {"loss": "l1", "of": "D(source, fake)", "to": "D(source, target)"}}
    game = table({**GAME, "losses": both})
    assert "judged" in terms_of(game, "discriminators")
    assert "judged" in terms_of(game, "generators")
    one = {**both, "judged": {**both["judged"], "side": "generators"}}
    game = table({**GAME, "losses": one})
    assert "judged" not in terms_of(game, "discriminators")
    assert "judged" in terms_of(game, "generators")


def test_a_side_is_resolved_and_reads_back(load, catalogue):
    pipeline = load(("to: target, weight: 100", "to: target, weight: 100, side: generators")).pipeline
    assert pipeline.resolved["losses"]["reconstruction"]["side"] == "generators"
    assert resolved_again(pipeline, catalogue) == pipeline.resolved


def test_a_side_on_which_a_loss_says_nothing_is_refused(load):
    penalty = (
        "losses:\n",
        "  point: leaf(target)\nlosses:\n  r1: {loss: r1, of: 'D(source, point)', at: point, side: generators}\n",
    )
    assert "loss 'r1' has nothing to say on the side of the generators" in load(penalty).only()
    wrong = load(("to: target, weight: 100", "to: target, side: generator")).only()
    assert "losses.reconstruction.side: 'generator' is not a side. Did you mean 'generators'?" in wrong


# -- turns that are skipped -------------------------------------------------------------------------------------------


def copied(network):
    return [value.clone() for value in network.state_dict().values()]


def moved(game, name, before):
    return any(
        not torch.equal(now, then)
        for now, then in zip(game.game.networks[name].state_dict().values(), before, strict=True)
    )


@pytest.mark.parametrize(("accumulate", "batch"), [(1, 4), (2, 4)])
def test_a_turn_below_its_threshold_leaves_its_networks_alone_and_the_others_learn(table, accumulate, batch):
    """Thresholds chosen around the losses of a scripted run give exactly the pattern of skips that they imply."""
    turns = {"discriminators": {"steps": 1}, "generators": 1}
    free = table({**GAME, "turns": turns}, accumulate=accumulate, batch=batch)
    losses = [float(free.runner().iterate(step)["discriminators.adversarial"]) for step in range(6)]
    threshold = sorted(losses)[3]

    game = table(
        {**GAME, "turns": {"discriminators": {"skip_below": threshold}, "generators": 1}},
        accumulate=accumulate,
        batch=batch,
    )
    pattern = []
    for step in range(6):
        before = {name: copied(network) for name, network in game.game.networks.items()}
        values = game.runner().iterate(step)
        skipped = float(values["discriminators.adversarial"]) < threshold
        assert bool(values["discriminators.skipped"]) is skipped
        assert moved(game, "D", before["D"]) is not skipped
        assert moved(game, "G", before["G"])
        pattern.append(skipped)
    assert True in pattern
    assert False in pattern


def test_a_skipped_step_is_no_sign_of_sick_numbers(table):
    game = table({**GAME, "turns": {"discriminators": {"skip_below": 1e9}, "generators": 1}})
    for step in range(5):
        game.runner().iterate(step)
    assert game.runner().engine.read_skips() == 0


def test_skip_below_is_resolved_and_checked(load, catalogue):
    pipeline = load(("training:\n", "turns: {discriminators: {skip_below: 0.3}, generators: 1}\ntraining:\n")).pipeline
    assert pipeline.resolved["turns"]["discriminators"]["skip_below"] == 0.3
    assert resolved_again(pipeline, catalogue) == pipeline.resolved
    wrong = load(("training:\n", "turns: {discriminators: {skip_below: often}, generators: 1}\ntraining:\n")).only()
    assert "turns.discriminators.skip_below: must be a number" in wrong
    wrong = load(("training:\n", "turns: {discriminators: {skip_bellow: 1}, generators: 1}\ntraining:\n")).only()
    assert "Did you mean 'skip_below'?" in wrong


def waiting(text, *more):
    return ("training:\n", f"turns: {{discriminators: {text}, generators: 1}}\ntraining:\n"), *more


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_turn_waits_for_the_terms_that_are_named_alone(table, accumulate):
    """A second term that is large and negative in the sum neither makes the turn wait nor keeps it from waiting."""
    told = {"loss": "l1", "of": "D(source, target)", "to": "D(target, source)", "weight": -100}
    told["side"] = "discriminators"
    losses = {**GAME["losses"], "told": told}
    free = table({**GAME, "losses": losses}, accumulate=accumulate)
    first = {name: float(value) for name, value in free.runner().iterate(0).items() if name.count(".") == 1}
    adversarial, other = first["discriminators.adversarial"], first["discriminators.told"]
    for below, skipped in [
        ({"adversarial": adversarial + 0.01}, True),
        ({"adversarial": adversarial - 0.01}, False),
        ({"adversarial": adversarial + 0.01, "told": other + 0.01}, True),
        ({"adversarial": adversarial + 0.01, "told": other - 0.01}, False),
        (0.0, True),
    ]:
        turns = {"discriminators": {"skip_below": below}, "generators": 1}
        game = table({**GAME, "losses": losses, "turns": turns}, accumulate=accumulate)
        assert bool(game.runner().iterate(0)["discriminators.skipped"]) is skipped, below


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("below", [1e9, {"adversarial": 1e9}])
def test_the_steps_left_out_in_a_row_are_bounded(table, most, below):
    turns = {"discriminators": {"skip_below": below, "most_skips": most}, "generators": 1}
    runner = table({**GAME, "turns": turns}).runner()
    found = [int(runner.iterate(step)["discriminators.skipped"]) for step in range(3 * (most + 1))]
    assert found == [*[1] * most, 0] * 3


def test_a_step_that_is_taken_begins_the_count_anew(table):
    game = table({**GAME, "turns": {"discriminators": {"skip_below": 1e9, "most_skips": 2}, "generators": 1}})
    runner = game.runner()
    turn = runner.evaluator.phase.turns["discriminators"]
    found = []
    for step, below in enumerate([1e9, -1e9, 1e9, 1e9, 1e9]):
        object.__setattr__(turn, "skip_below", below)
        found.append(int(runner.iterate(step)["discriminators.skipped"]))
    assert found == [1, 0, 1, 1, 0]


def test_thresholds_by_name_are_resolved_and_checked(load, catalogue):
    pipeline = load(*waiting("{skip_below: {adversarial: 0.3}, most_skips: 5}"), whole=True).pipeline
    found = pipeline.resolved["turns"]["discriminators"]
    assert (found["skip_below"], found["most_skips"]) == ({"adversarial": 0.3}, 5)
    assert resolved_again(pipeline, catalogue) == pipeline.resolved


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("{skip_below: {adversarail: 0.3}}", "'adversarail' is not a loss of this pipeline. Did you mean 'adver"),
        ("{skip_below: {adversarial: low}}", "skip_below.adversarial: must be a number, in the unit of this loss"),
        ("{skip_below: {}}", "skip_below: must name at least one loss, as in `skip_below: {adversarial: 0.3}`"),
        ("{skip_below: 0.3, most_skips: 0}", "most_skips: must be a whole number of at least 1 (got 0)"),
        ("{skip_below: 0.3, most_skips: true}", "most_skips: must be a whole number of at least 1 (got True)"),
        ("{most_skips: 3}", "most_skips: nothing is skipped here: it stands beside `skip_below`"),
        ("{skip_below: {reconstruction: 1}}", "loss 'reconstruction' does not count in turn 'discriminators'. Name"),
    ],
)
def test_thresholds_that_say_nothing_are_refused(load, written, text):
    assert text in load(*waiting(written), whole=True).only()


# -- lists as inputs of networks --------------------------------------------------------------------------------------


def test_a_list_in_a_call_comes_to_the_factory_as_the_specs_of_its_parts(table, catalogue):
    from translate.pipeline import load_pipeline
    from translate.pipeline.building import build_meta

    document = {
        "data": {"dataset": "toy_data", "image_size": 4},
        "latents": {"z": {"latent": "normal", "size": 3}},
        "networks": {"G": {"generator": "toy_several"}},
        "losses": {"any": {"loss": "l1", "of": "G([source, z])", "to": "target"}},
    }
    pipeline = load_pipeline(document, catalogue=catalogue)
    game = build_meta(pipeline, {"source": Image(1, 4, 4), "target": Image(1, 4, 4)}, catalogue=catalogue)
    (several,) = game.network_inputs["G"].inputs
    assert several == Several((Image(1, 4, 4), Vector(3)))
