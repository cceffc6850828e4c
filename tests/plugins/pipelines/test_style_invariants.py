"""What makes StyleGAN one, on the shipped pipeline: built, trained for some steps, opened again and exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from small_sets import small_settings

import translate
from translate.errors import PipelineError
from translate.evaluation import evaluate as measure
from translate.pipeline import load_pipeline
from translate.pipeline.building import build
from translate.pipeline.checking import check
from translate.pipeline.computing import evaluate
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.game import Game
from translate.pipeline.inference_form import inference_networks
from translate.pipeline.opening import open_dataset
from translate.training import train
from translate.training.checkpoint import load_checkpoint
from translate.training.opening import Opened, open_trained

LAYERS = 8  # of a picture of 32 pixels


def settings(root: Path, *changes: str) -> list[str]:
    return [*small_settings("stylegan", root), "training.observers=[metrics_file]", *changes]


@pytest.fixture(scope="module")
def game(small_data) -> Game:
    pipeline = load_pipeline("stylegan", settings(small_data))
    return build(pipeline, open_dataset(pipeline).fields)


@pytest.fixture(scope="module")
def opened(small_data, tmp_path_factory) -> Opened:
    out = tmp_path_factory.mktemp("run") / "run"
    return open_trained(train("stylegan", settings(small_data, "training.steps=4"), out=out).folder)


def sampled(run: Opened | Game, count: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    """Values of the latents."""
    game = run.game if isinstance(run, Opened) else run
    generator = torch.Generator().manual_seed(seed)
    return {
        name: latent.sample(count, generator=generator, device=torch.device("cpu"))
        for name, latent in game.latents.items()
    }


def shown(opened: Opened, expression: str, **inputs: torch.Tensor) -> torch.Tensor:
    """An export's output, as a picture is made outside training."""
    game = opened.game
    node = game.add(game.pipeline.exports[expression].output, ("export", expression, "output"))
    networks = inference_networks(game.networks, game.pipeline.inference)
    with torch.no_grad():
        result: torch.Tensor = evaluate(game, [node], inputs, networks=networks)[0]
    return result


# -- AdaIN and noise --------------------------------------------------------------------------------------------------


def test_after_adain_mean_and_deviation_of_each_map_are_the_styles(game):
    module = game.networks["G"].double()
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda part, args, result: found.append((part.style(args[1]), result)))
        for layer in module.layers
    ]
    module(torch.randn(3, module.layers[0].style.in_features, dtype=torch.float64))
    for hook in hooks:
        hook.remove()
    module.float()
    assert len(found) == LAYERS
    for affine, result in found:
        scale, shift = (affine / 2**0.5).chunk(2, dim=1)  # a gain of 1, where `equalised` has sqrt(2)
        torch.testing.assert_close(result.mean((2, 3)), shift, rtol=0, atol=1e-9)
        torch.testing.assert_close(result.std((2, 3), unbiased=False), (1 + scale).abs(), rtol=1e-4, atol=0)


def test_without_noise_a_code_gives_one_picture_also_in_training(game):
    module, w = game.networks["G"].train(), torch.randn(2, game.networks["G"].layers[0].style.in_features)
    assert torch.equal(module(w), module(w))  # the factors of the noise start at 0
    with torch.no_grad():
        for layer in module.layers:
            layer.noise_scale.fill_(0.5)
    assert not torch.equal(module(w), module(w))
    with torch.no_grad():
        for layer in module.layers:
            layer.noise_scale.zero_()


# -- style mixing -----------------------------------------------------------------------------------------------------


def test_a_mix_from_layer_0_on_is_the_second_code_alone_and_beyond_the_last_the_first(opened):
    given = sampled(opened)
    first = shown(opened, "generate", z=given["z"], psi=torch.ones(3, 1))
    second = shown(opened, "mix", **{**given, "cut": torch.zeros(3, dtype=torch.int64), "psi": torch.ones(3, 1)})
    swapped = shown(opened, "generate", z=given["z2"], psi=torch.ones(3, 1))
    torch.testing.assert_close(second, swapped, rtol=0, atol=1e-4)
    for cut in (LAYERS, 18):
        mixed = shown(opened, "mix", **{**given, "cut": torch.full((3,), cut), "psi": torch.ones(3, 1)})
        torch.testing.assert_close(mixed, first, rtol=0, atol=1e-4)
    between = shown(opened, "mix", **{**given, "cut": torch.full((3,), 4), "psi": torch.ones(3, 1)})
    assert (between - first).abs().max() > 1e-3
    assert (between - swapped).abs().max() > 1e-3


# -- truncation -------------------------------------------------------------------------------------------------------


def test_with_psi_0_every_latent_gives_the_same_picture_and_with_psi_1_its_own(opened):
    given = sampled(opened, 6)
    none = shown(opened, "generate", z=given["z"], psi=torch.zeros(6, 1))
    torch.testing.assert_close(none, none[:1].expand_as(none), rtol=0, atol=1e-6)
    full = shown(opened, "generate", z=given["z"], psi=torch.ones(6, 1))
    assert (full - full[:1]).abs().flatten(1).amax(1)[1:].min() > 1e-3


def test_the_mean_of_w_is_the_closed_form_of_what_the_mapping_network_gave(small_data):
    """Three iterations of the game: each batch of codes counts once, for the operation that it goes through."""
    pipeline = load_pipeline("stylegan", settings(small_data))
    game = build(pipeline, open_dataset(pipeline).fields)
    evaluator = Evaluator(game)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    game.networks["M"].register_forward_hook(lambda _, args, result: seen.append((args[0], result.detach().mean(0))))
    draws = [sampled(game, 2, seed=step) for step in range(3)]
    for step, drawn in enumerate(draws):
        draw = evaluator.begin({"image": torch.rand(2, 3, 32, 32)}, step, drawn.__getitem__)
        for each in evaluator.sequence(step):
            evaluator.run_turn(draw, each.turn, each.following)
            evaluator.finish_turn(draw, each.turn)
    for name, latent in (("w", "z"), ("w2", "z2")):
        means = [next(mean for z, mean in seen if torch.equal(z, drawn[latent])) for drawn in draws]
        expected = 0.995**2 * means[0] + 0.005 * 0.995 * means[1] + 0.005 * means[2]
        (site,) = (site for key, site in game.sites.items() if key.startswith(f"flow.{name}#"))
        torch.testing.assert_close(site.mean, expected, rtol=0, atol=1e-6)
    assert len(seen) == 6


def test_the_mean_goes_with_the_checkpoint(opened):
    saved = load_checkpoint(opened.checkpoint).state["ranks"][0]["sites"]
    for name in ("w", "w2"):
        (key,) = (key for key in saved if key.startswith(f"flow.{name}#"))
        assert len(saved[key]["mean"])
        assert torch.equal(opened.game.sites[key].mean, saved[key]["mean"])


def test_a_truncation_that_no_training_comes_by_is_refused(small_data):
    pipeline = load_pipeline("stylegan", settings(small_data, "export.generate.output=G(truncate(M(z), psi))"))
    with pytest.raises(PipelineError, match="is not computed in training, where truncate gathers what it needs"):
        check(pipeline, open_dataset(pipeline).fields)


def test_a_truncation_that_only_a_measurement_asks_for_is_refused(opened):
    metric = "evaluation.metrics.other={metric: diversity, of: 'G(truncate(w, 0.5))', to: image}"
    with pytest.raises(PipelineError, match=r"was not computed in training.*Use the name that it has in the flow"):
        measure(opened, overrides=[metric], device="cpu")


def test_the_discriminator_blurs_before_each_halving(game):
    parts = [type(part).__name__ for part in game.networks["D"].modules()]
    assert parts.count("Blur") == parts.count("AvgPool2d") == 3


# -- R1 ---------------------------------------------------------------------------------------------------------------


def test_the_penalty_looks_at_real_images_only(game):
    """On D's side alone, computed from nothing but the data and D: no generator can change it."""
    graph, nodes = game.graphs[0], game.term_nodes[0]["penalty"]
    pending, names = list(nodes.values()), set()
    while pending:
        node = graph.nodes[pending.pop()]
        names |= {node.name} if node.kind in {"input", "network"} else set()
        pending += [*node.inputs, *(index for _, index in node.keywords)]
    assert names == {"image", "D"}
    plan = {
        turn: [term.name for term in Evaluator(game).plan(turn, ()).terms] for turn in game.pipeline.phases[0].turns
    }
    assert plan == {"discriminators": ["adversarial", "penalty"], "generators": ["adversarial"]}


def test_the_penalty_is_gamma_half_times_the_squared_gradient_at_the_data(game):
    """Against a derivative taken here, in float64; the adversarial part against log(1 + exp(...))."""
    for network in game.networks.values():
        network.double().train()
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64) * 2 - 1
    drawn = {name: value.double() if value.is_floating_point() else value for name, value in sampled(game, 2).items()}
    evaluator = Evaluator(game)
    result = evaluator.run_turn(evaluator.begin({"image": images}, 0, drawn.__getitem__), "discriminators")
    evaluator.release()
    point = images.clone().requires_grad_()
    judged = game.networks["D"](point)
    (gradient,) = torch.autograd.grad(judged.sum(), point)
    penalty = 0.5 * gradient.square().flatten(1).sum(1).mean()
    torch.testing.assert_close(result.terms["penalty"], penalty.detach(), rtol=1e-6, atol=0)
    total = result.terms["adversarial"] + 10 * penalty
    torch.testing.assert_close(result.loss, total, rtol=1e-6, atol=0)
    assert result.terms["adversarial"] > torch.nn.functional.softplus(-judged).mean()  # and the fakes' part
    for network in game.networks.values():
        network.float()


# -- growth -----------------------------------------------------------------------------------------------------------


def test_it_grows_by_settings_alone(small_data, tmp_path):
    """From 8x8 on, as the paper's: the generator, the real images and the discriminator follow one schedule."""
    changes = [
        "schedules.growth={schedule: growth, stages: 4, stable: [0, 1, 1], fade: [0, 2, 2]}",
        "networks.G.grows=true",
        "flow.fake=G(w, w2, growth=growth)",
        "flow.point=leaf(shrink(image, growth))",
        "losses.adversarial.real=D(point, growth)",
        "losses.adversarial.fake=D(fake, growth)",
        "losses.penalty.of=D(point, growth)",
        "preview=[fake]",
        "export={generate: {inputs: [z, psi], output: 'G(w, growth=growth)'}}",
        "evaluation.metrics={diversity: {metric: diversity, of: fake, to: point}}",
    ]
    pipeline = load_pipeline("stylegan", settings(small_data, *changes))
    game = check(pipeline, open_dataset(pipeline).fields)
    assert [game.schedules["growth"](step) for step in (0, 1, 2, 3, 4, 5)] == [1.0, 1.0, 1.5, 2.0, 2.0, 2.5]
    run = open_trained(
        train("stylegan", settings(small_data, *changes, "training.steps=3"), out=tmp_path / "run").folder
    )
    assert run.step == 3
    given = sampled(run)
    node = run.game.add(run.game.pipeline.exports["generate"].output, ("export", "generate", "output"))
    networks = inference_networks(run.game.networks, run.game.pipeline.inference)
    for step, side in ((0, 8), (2, 16), (6, 32)):
        with torch.no_grad():
            (made,) = evaluate(run.game, [node], given, networks=networks, step=step)
        assert made.shape == (3, 3, side, side)


# -- the exported files -----------------------------------------------------------------------------------------------


def run_file(file: Path, values: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, values)[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_files_hold_the_mean_and_give_the_same_pictures_each_time(opened):
    generator = np.random.default_rng(0)
    z, z2 = (generator.standard_normal((5, 512)).astype(np.float32) for _ in range(2))
    number = lambda value: np.full((5, 1), value, np.float32)  # noqa: E731
    label = lambda value: np.full(5, value, np.int64)  # noqa: E731

    generate = translate.export(opened, name="generate", float_only=True)
    none, full = (run_file(generate, {"z": z, "psi": number(psi)}) for psi in (0, 1))
    assert np.abs(none - none[:1]).max() < 3e-4
    assert np.abs(full - full[:1]).reshape(5, -1).max(1)[1:].min() > 1e-3
    assert np.array_equal(full, run_file(generate, {"z": z, "psi": number(1)}))
    in_torch = shown(opened, "generate", z=torch.from_numpy(z), psi=torch.full((5, 1), 0.7)).numpy()
    assert np.abs(run_file(generate, {"z": z, "psi": number(0.7)}) - in_torch).max() < 3e-4

    mix = translate.export(opened, name="mix", float_only=True)
    at = {cut: run_file(mix, {"z": z, "z2": z2, "psi": number(1), "cut": label(cut)}) for cut in (0, 4, LAYERS)}
    assert np.abs(at[LAYERS] - full).max() < 3e-4
    assert np.abs(at[0] - run_file(generate, {"z": z2, "psi": number(1)})).max() < 3e-4
    assert min(np.abs(at[4] - at[cut]).max() for cut in (0, LAYERS)) > 1e-3

    vary = translate.export(opened, name="vary", float_only=True)
    grains = [run_file(vary, {"z": z, "psi": number(1), "grain": label(seed)}) for seed in (0, 0, 1)]
    assert np.array_equal(grains[0], grains[1])
    assert np.abs(grains[0] - full).max() < 1e-4  # seed 0 is what a file has that does not ask
    assert np.abs(grains[0] - grains[2]).max() > 1e-6
