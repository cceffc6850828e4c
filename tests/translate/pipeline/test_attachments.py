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
