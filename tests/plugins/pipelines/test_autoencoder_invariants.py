"""What the papers fix about VAE, DRAW and AAE, and the known mistakes of copies: none of them here."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from small_sets import built, small_settings
from torch.distributions import Normal

from translate.errors import PipelineError
from translate.pipeline import load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.computing import evaluate
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.opening import open_dataset, open_stream
from translate.training import train
from translate.training.checkpoint import load_checkpoint

ALL = ("vae", "draw", "aae")
IN_NATS = ("vae", "draw")


def batch_of(game, count: int = 2) -> dict[str, torch.Tensor]:
    batch = next(open_stream(game.pipeline, "train", batch_size=count).batches())
    generator = torch.Generator().manual_seed(0)
    latents = {
        name: latent.sample(count, generator=generator, device=torch.device("cpu"))
        for name, latent in game.latents.items()
    }
    return {**batch, **latents}


def terms_of(game, batch) -> dict[str, float]:
    """The losses of the first phase by name, times their weights."""
    phase = game.pipeline.phases[0]
    found = {}
    for name, term in phase.losses.items():
        nodes = game.term_nodes[0][name]
        values = evaluate(game, list(nodes.values()), batch, networks=game.networks)
        with torch.no_grad():
            found[name] = term.weight * term.use.create(**dict(zip(nodes, values, strict=True))).item()
    return found


# -- all three --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_pictures_lie_between_0_and_1_and_other_ranges_are_refused(name, small_data):
    game = built(name, small_data)
    image = batch_of(game)["image"]
    assert image.min() >= 0
    assert image.max() <= 1
    changed = load_pipeline(name, [*small_settings(name, small_data), "data.value_range=[-1, 1]"])
    if name == "aae":
        assert str(open_dataset(changed).fields["image"]).endswith("in [-1, 1])")
        return  # its decoder then ends in tanh, and l2 works in any range
    with pytest.raises(PipelineError, match=r"compares with images in \[0, 1\], but 'image' is in \[-1, 1\]"):
        check(changed, open_dataset(changed).fields)


@pytest.mark.parametrize("name", IN_NATS)
def test_pictures_are_black_and_white_and_the_same_in_every_epoch_and_for_every_seed(name, small_data):
    pipeline = load_pipeline(name, small_settings(name, small_data))
    first = open_dataset(pipeline)
    other = open_dataset(load_pipeline(name, [*small_settings(name, small_data), "training.seed=7"]))
    for index in range(len(first)):
        one = first.example(index, np.random.default_rng(0))["image"]
        two = other.example(index, np.random.default_rng(1))["image"]
        assert set(np.unique(one)) == {0, 255}
        assert np.array_equal(one, two)


# -- VAE and DRAW -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IN_NATS)
def test_the_loss_is_the_bound_in_nats_with_sums_over_pixels_codes_and_steps(name, small_data):
    game = built(name, small_data)
    batch = batch_of(game)
    terms = terms_of(game, batch)
    names = ("logits", "code") if name == "vae" else ("redrawn",)
    nodes = [game.graphs[0].add_at(("flow", key), game.pipeline.phases[0].flow[key]) for key in names]
    values = evaluate(game, nodes, batch, networks=game.networks)
    logits, code = values if name == "vae" else (values[0]["logits"], values[0]["code"])
    p, x = logits.double().sigmoid(), batch["image"].double()
    likelihood = -(x * p.log() + (1 - x) * (1 - p).log()).sum((1, 2, 3)).mean()
    mean, deviation = code.double()[:, : code.shape[1] // 2], code.double()[:, code.shape[1] // 2 :].exp().sqrt()
    divergence = 0.5 * (mean**2 + deviation**2 - (deviation**2).log() - 1).sum(1).mean()
    assert set(terms) == {"likelihood", "prior"}
    assert terms["likelihood"] == pytest.approx(likelihood.item(), rel=1e-5)
    assert terms["prior"] == pytest.approx(divergence.item(), rel=1e-4)


@pytest.mark.parametrize("name", IN_NATS)
def test_an_untrained_decoder_costs_log_2_a_pixel(name, small_data):
    game = built(name, small_data)
    batch = batch_of(game)
    network = game.networks["G"]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert terms_of(game, batch)["likelihood"] == pytest.approx(784 * math.log(2), rel=1e-4)


@pytest.mark.parametrize("name", IN_NATS)
def test_the_closed_divergence_is_the_mean_log_ratio_of_samples(name, small_data):
    game = built(name, small_data)
    batch = batch_of(game)
    terms = terms_of(game, batch)
    node = game.term_nodes[0]["prior"]["of"]
    (code,) = evaluate(game, [node], batch, networks=game.networks)
    mean, log_variance = code.detach().double().chunk(2, dim=1)
    torch.manual_seed(0)
    posterior, prior = Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
    drawn = posterior.sample((100_000,))
    ratio = (posterior.log_prob(drawn) - prior.log_prob(drawn)).sum(2).mean()
    assert terms["prior"] == pytest.approx(ratio.item(), abs=0.02 + 0.05 * ratio.item())


@pytest.mark.parametrize("name", IN_NATS)
def test_what_is_measured_uses_a_sample_of_the_code_not_its_mean(name, small_data):
    """Otherwise the bound would be too good."""
    game = built(name, small_data)
    phase, batch = game.pipeline.phases[0], batch_of(game)
    use = game.pipeline.metrics["elbo"]
    node = game.graphs[0].add(use.expressions["of"], ("evaluation", "metrics", "elbo", "of"))
    of = evaluate(game, [node], batch, networks=game.networks)[0]
    trained_on = game.term_nodes[0]["likelihood"]["of"]
    logits = evaluate(game, [trained_on], batch, networks=game.networks)[0]
    torch.testing.assert_close(of, logits.sigmoid())
    other = evaluate(game, [node], {**batch, "z": batch["z"] + 1}, networks=game.networks)[0]
    assert not torch.equal(of, other)
    assert phase.losses["prior"].weight == phase.losses["likelihood"].weight == 1


def test_a_vaes_export_rebuilds_from_the_mean(small_data):
    game = built("vae", small_data)
    batch = batch_of(game)
    node = game.graphs[0].add_at(("flow", "rebuilt"), game.pipeline.phases[0].flow["rebuilt"])
    found = evaluate(game, [node], batch, networks=game.networks)[0]
    mean = game.networks["E"](batch["image"])[:, :50]
    torch.testing.assert_close(found, game.networks["G"](mean).sigmoid())


def test_draws_noise_is_fresh_in_every_glimpse(small_data):
    """A copy reuses one draw at all steps."""
    full = load_pipeline("draw", ["data.root=x"])
    glimpses = full.networks["G"].choices["glimpses"]
    size = full.latents["z"].create().spec.size
    assert size == 100 * glimpses
    game = built("draw", small_data, "networks.G.glimpses=5", "latents.z.size=20")
    noise = batch_of(game)["z"].view(2, 5, 4)
    for step in range(1, 5):
        assert not (noise[:, step] == noise[:, 0]).any()


def test_draws_divergence_is_0_at_the_prior_whatever_the_number_of_steps(small_data):
    """A copy subtracts T / 2 for each step, which is right for codes of T numbers only."""
    for glimpses, size in ((2, 6), (3, 6), (6, 6)):
        game = built("draw", small_data, f"networks.G.glimpses={glimpses}", f"latents.z.size={size}")
        network = game.networks["G"]
        with torch.no_grad():
            network.to_code.weight.zero_()
            network.to_code.bias.zero_()
        assert terms_of(game, batch_of(game))["prior"] == 0
        with torch.no_grad():
            network.to_code.bias[: size // glimpses] = 2.0  # mean 2 in each of all numbers of all steps
        assert terms_of(game, batch_of(game))["prior"] == pytest.approx(2.0 * size)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_draw_is_exported_with_its_noise_as_an_input_for_any_number_of_pictures(small_data, tmp_path):
    import translate

    changes = ["training.observers=[metrics_file]", "export.reconstruct={inputs: [image, z], output: rebuilt}"]
    run = train("draw", [*small_settings("draw", small_data), *changes], out=tmp_path / "run").folder
    for name, inputs in (("generate", ["z"]), ("reconstruct", ["image", "z"])):
        file = translate.export(run, name=name)
        described = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        assert [entry["name"] for entry in described["inputs"]] == inputs
        assert described["dynamic_axes"][:1] == ["batch"]
        assert described["outputs"][0]["dtype"] == "uint8"
        assert described["outputs"][0]["value_range"] == [0, 1]


@pytest.mark.parametrize("size", [6, 20])
@pytest.mark.parametrize("name", ["vae", "bicyclegan"])
def test_the_encoder_follows_the_size_of_the_latent(name, size, small_data):
    game = built(name, small_data, f"latents.z.size={size}")
    node = game.graphs[0].add_at(("flow", "code"), game.pipeline.phases[0].flow["code"])
    (code,) = evaluate(game, [node], batch_of(game), networks=game.networks)
    assert code.shape == (2, 2 * size)


def test_draw_with_labels_keeps_its_bound_and_is_sampled_by_label(small_data, tmp_path):
    import translate

    changes = [
        "flow.redrawn=G(z, image, label)",
        "flow.made=G(z, label)",
        "export.generate={inputs: [z, label], output: fake}",
        "networks.G.glimpses=2",
        "latents.z.size=4",
        "training.observers=[metrics_file]",
    ]
    game = built("draw", small_data, *changes)
    terms = terms_of(game, batch_of(game))
    assert sum(terms.values()) > 0
    with torch.no_grad():
        game.networks["G"].to_code.weight.zero_()
        game.networks["G"].to_code.bias.zero_()
    assert terms_of(game, batch_of(game))["prior"] == 0
    run = train("draw", [*small_settings("draw", small_data), *changes], out=tmp_path / "run").folder
    model = translate.Translator(translate.export(run, name="generate"))
    assert [entry.name for entry in model.inputs] == ["z", "label"]
    z = np.random.default_rng(0).standard_normal((1, 4)).astype(np.float32).repeat(2, axis=0)
    first, second = model.run({"z": z, "label": np.array([0, 1])}, 2)
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


# -- AAE --------------------------------------------------------------------------------------------------------------


def test_an_aae_has_three_turns_each_with_its_own_networks_terms_and_optimiser(small_data):
    game = built("aae", small_data)
    evaluator, phase = Evaluator(game), game.pipeline.phases[0]
    assert [turn.turn for turn in evaluator.sequence(0)] == ["reconstruction", "discriminator", "encoder"]
    plans = {name: evaluator.plan(name, ()) for name in phase.turns}
    assert {name: set(plan.trainable) for name, plan in plans.items()} == {
        "reconstruction": {"E", "G"},
        "discriminator": {"D"},
        "encoder": {"E"},
    }
    assert {name: [term.name for term in plan.terms] for name, plan in plans.items()} == {
        "reconstruction": ["reconstruction"],
        "discriminator": ["adversarial"],
        "encoder": ["adversarial"],
    }
    assert {name: plan.turn.side for name, plan in plans.items()} == {
        "reconstruction": "generators",
        "discriminator": "discriminators",
        "encoder": "generators",
    }
    assert phase.losses["adversarial"].weight == 1  # not 0.001 of a joint loss
    assert len({id(phase.optimizers[name]) for name in phase.turns}) == 3


def test_an_aaes_discriminator_takes_the_prior_for_real_and_codes_for_fake(small_data):
    game = built("aae", small_data)
    nodes, term = game.graphs[0].nodes, game.term_nodes[0]["adversarial"]
    assert nodes[term["real"]].text == "D(z)"
    assert set(nodes[term["fake"]].networks) == {"E", "D"}
    z = load_pipeline("aae", ["data.root=x"]).latents["z"].create()
    drawn = z.sample(20_000, generator=torch.Generator().manual_seed(0), device=torch.device("cpu"))
    assert drawn.shape[1] == 8
    assert drawn.std().item() == pytest.approx(5, rel=0.01)
    assert drawn.mean().item() == pytest.approx(0, abs=0.05)


def test_the_turns_of_an_aae_move_what_they_should(small_data, tmp_path):
    """Each turn moves its own networks."""
    keep = ["training.observers=[metrics_file]"]
    settings = [*small_settings("aae", small_data), *keep]
    first = {name: network.state_dict() for name, network in built("aae", small_data).networks.items()}

    def moved(*changes: str) -> set[str]:
        run = train("aae", [*settings, *changes], out=tmp_path / str(len(changes))).folder
        found = load_checkpoint(run / "checkpoints" / "000002").weights
        return {
            name
            for name, state in first.items()
            if name in found and any(not torch.equal(value, found[name][key]) for key, value in state.items())
        }

    assert moved() == {"E", "G", "D"}
    alone = ("turns.discriminator=null", "turns.encoder=null", "losses.adversarial=null", "networks.D=null")
    rates = ("training.optimizers.discriminator=null", "training.optimizers.encoder=null")
    assert moved(*alone, *rates) == {"E", "G"}
