"""What the papers fix about whole games, and a list of settings could get wrong without anybody noticing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_sets import built, small_settings

from translate.pipeline.computing import evaluate
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.opening import open_stream
from translate.training import train
from translate.training.checkpoint import load_checkpoint


def weights_of(run: Path, step: int) -> dict[str, dict[str, torch.Tensor]]:
    return load_checkpoint(run / "checkpoints" / f"{step:06d}").weights


def test_discogans_discriminators_learn_in_every_third_iteration(small_data):
    game = built("discogan", small_data)
    turns = [[turn.turn for turn in Evaluator(game).sequence(step)] for step in range(6)]
    assert turns == [["discriminators"], ["generators"], ["generators"]] * 2


def test_discogans_weights_switch_together_and_sum_to_one(small_data):
    game = built("discogan", small_data)
    for step, r in ((0, 0.01), (9_999, 0.01), (10_000, 0.5)):
        fool, match, rebuild = (game.schedules[name](step) for name in ("fool", "match", "reconstruct"))
        assert rebuild == r
        assert fool == pytest.approx(0.1 * (1 - r))
        assert match == pytest.approx(0.9 * (1 - r))


def test_dualgans_critics_are_clipped_and_their_statistics_are_not(small_data, tmp_path):
    settings = [*small_settings("dualgan", small_data), "training.observers=[metrics_file]"]
    run = train("dualgan", settings, out=tmp_path / "run").folder
    network = built("dualgan", small_data).networks["D_a"]
    found = weights_of(run, 2)["D_a"]
    parameters = dict(network.named_parameters())
    assert parameters
    assert all(found[name].abs().max() <= 0.01 for name in parameters)
    variances = [value for name, value in found.items() if name.endswith("running_var")]
    assert variances
    assert all(value.max() > 0.01 for value in variances)


def test_pix2pix_hd_trains_the_global_part_then_the_local_one_then_both(small_data, tmp_path):
    changes = ["training.steps=3", "phases.0.start=1", "phases.1.start=2", "training.checkpoint_every=1"]
    keep = ["training.keep_checkpoints=9", "training.observers=[metrics_file]"]
    run = train("pix2pix_hd", [*small_settings("pix2pix_hd", small_data), *changes, *keep], out=tmp_path / "run").folder
    first = {name: network.state_dict() for name, network in built("pix2pix_hd", small_data).networks.items()}
    states = [first, *(weights_of(run, step) for step in (1, 2, 3))]

    def learned(step: int) -> set[str]:
        before, after = states[step - 1], states[step]
        return {
            name
            for name in before
            if name != "D" and any(not torch.equal(value, after[name][key]) for key, value in before[name].items())
        }

    whole, local = {"global_encoder", "global_decoder"}, {"local_encoder", "local_decoder"}
    assert learned(1) == {*whole, "global_image"}
    assert learned(2) == local
    assert learned(3) == {*whole, *local}


def test_cogans_domains_share_the_first_layers_of_g_and_the_last_of_d_and_no_others(small_data):
    game = built("cogan_negative", small_data)
    owners = {name: {id(parameter) for parameter in network.parameters()} for name, network in game.networks.items()}
    nodes = game.graphs[0].nodes

    def networks_of(term: str, side: str) -> set[str]:
        return set(nodes[game.term_nodes[0][term][side]].networks)

    assert networks_of("adversarial_a", "fake") & networks_of("adversarial_b", "fake") == {"trunk", "D"}
    assert networks_of("adversarial_a", "real") == {"D_a", "D"}
    assert networks_of("adversarial_b", "real") == {"D_b", "D"}
    assert sum(map(len, owners.values())) == len(set().union(*owners.values()))


@pytest.mark.parametrize("where", ["center", "random"])
def test_a_context_encoder_changes_nothing_outside_the_hole_and_is_judged_by_it_alone(where, small_data):
    game = built("context_encoder", small_data, f"data.where={where}")
    stream = open_stream(game.pipeline, "train", batch_size=2)
    batch = next(stream.batches())
    node = game.graphs[0].add_at(("flow", "fake"), game.pipeline.phases[0].flow["fake"])
    with torch.no_grad():
        (fake,) = evaluate(game, [node], batch, networks=game.networks)
    outside = batch["mask"].expand_as(fake) < 0
    assert torch.equal(fake[outside], batch["image"][outside])
    assert not torch.equal(fake[~outside], batch["image"][~outside])
    (judged,) = game.network_inputs["D"].inputs
    assert judged.shape == game.fields["hole"].shape


def test_cycle_and_identity_terms_are_zero_for_generators_that_change_nothing(small_data):
    from translate_plugins.losses.l1 import l1

    game = built("cyclegan_identity", small_data)
    phase = game.pipeline.phases[0]
    image = torch.rand(2, 3, 32, 32)
    same = dict.fromkeys(game.networks, lambda *values: values[0])
    for name in ("cycle_a", "cycle_b", "identity_a", "identity_b"):
        nodes = [game.term_nodes[0][name][side] for side in ("of", "to")]
        of, to = evaluate(game, nodes, {"a": image, "b": image.flip(0)}, networks=same)
        assert float(l1(of, to)) == 0
        assert phase.losses[name].weight == (5 if name.startswith("identity") else 10)


def test_a_conditional_generator_sees_its_label(small_data):
    game = built("cyclegan_conditional", small_data)
    network, image = game.networks["G_ab"].eval(), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        one, other = (network(image, torch.tensor([label])) for label in (0, 1))
    assert (one - other).abs().max() > 1e-4


def trainable_terms(game, turn: str) -> set[str]:
    return {term.name for term in Evaluator(game).plan(turn, ()).terms}


def test_stargans_discriminator_learns_classes_from_real_pictures_and_the_generator_from_its_own(small_data):
    game = built("stargan", small_data)
    assert trainable_terms(game, "discriminators") == {"adversarial", "penalty", "class_real"}
    assert trainable_terms(game, "generators") == {"adversarial", "class_fake", "reconstruction"}


def test_bicyclegans_latent_term_trains_the_generator_alone(small_data):
    game = built("bicyclegan", small_data)
    plan = Evaluator(game).plan("regression", ())
    assert [term.name for term in plan.terms] == ["latent"]
    assert plan.trainable == {"G"}
    assert Evaluator(game).plan("generators", ()).trainable == {"G", "E"}


def test_units_domains_meet_in_the_same_layers(small_data):
    game = built("unit", small_data)
    nodes = game.graphs[0].nodes
    flow = game.pipeline.phases[0].flow
    history = {name: set(nodes[game.graphs[0].add_at(("flow", name), flow[name])].networks) for name in flow}
    assert history["code_a"] & history["code_b"] == {"into"}
    assert history["fake_b"] == {"E_a", "into", "out_of", "G_b"}
    assert history["fake_a"] & history["fake_b"] == {"into", "out_of"}


def test_cuts_patches_of_the_output_lie_where_those_of_the_input_do(small_data):
    game = built("cut", small_data)
    phase = game.pipeline.phases[0]
    node = game.graphs[0].add_at(("flow", "patches"), phase.flow["patches"])
    batch = next(open_stream(game.pipeline, "train", batch_size=2).batches())
    encoder = game.networks["E"]
    same = {"E": encoder, "G": lambda inner: batch["a"]}
    with torch.no_grad():
        (patches,) = evaluate(game, [node], {"a": batch["a"]}, networks=same)
    for mine, yours in zip(patches["first"], patches["second"], strict=True):
        assert torch.equal(mine, yours)


def test_fastcuts_patches_lie_where_those_of_the_input_do_mirrored_or_not(small_data):
    game = built("fastcut", small_data)
    phase = game.pipeline.phases[0]
    patches, fake = (game.graphs[0].add_at(("flow", name), phase.flow[name]) for name in ("patches", "fake"))
    batch = next(open_stream(game.pipeline, "train", batch_size=2).batches())
    given = {"a": batch["a"], "coin": torch.tensor([[0.5], [-0.5]])}
    pixels = {"E": lambda image: {"map": image, "features": [image]}, "G": lambda inner: inner}
    with torch.no_grad():
        (picked, made) = evaluate(game, [patches, fake], given, networks=pixels)
    assert torch.equal(made[0], batch["a"][0].flip(2))
    assert torch.equal(made[1], batch["a"][1])
    assert torch.equal(picked["first"][0], picked["second"][0])


def test_spades_output_follows_its_map(small_data):
    network, source = built("spade", small_data).networks["G"].eval(), torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert not torch.equal(network(source), network(source.flip(3)))
