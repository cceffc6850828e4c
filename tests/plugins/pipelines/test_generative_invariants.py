"""What the papers and lecture notes fix about unconditional GANs, on the shipped pipelines themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from small_sets import built, of_full_size, small_settings
from torch import Tensor, nn

from translate.errors import PipelineError
from translate.optimizers import build_optimizer, optimizer_state
from translate.pipeline import load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.compiling import scheduled, term_functions
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.game import Game
from translate.pipeline.opening import open_dataset, open_stream
from translate.training.engine import Engine
from translate.training.turns import LatentSource, TurnRunner

UNCONDITIONAL = ["dcgan", "dcgan_cifar", "dcgan_pooling", "gan", "gan_minimax", "lsgan", "wgan", "wgan_gp"]


def at_the_table(game: Game, *, wrap: Callable[[str, torch.optim.Optimizer], None] | None = None) -> TurnRunner:
    """The game with its own optimisers and data, one iteration at a time."""
    evaluator, phase = Evaluator(game), game.pipeline.phases[0]
    optimizers = {}
    for name, turn in phase.turns.items():
        settings, parameters = phase.optimizers[name], [p for n in turn.learn for p in game.trainable[n]]
        lr = scheduled(game, settings.lr)
        assert isinstance(lr, float)
        optimizers[name] = build_optimizer({"name": settings.name, **settings.parameters}, parameters, lr=lr)
        if wrap is not None:
            wrap(name, optimizers[name])
    batches = open_stream(game.pipeline, "train", batch_size=game.pipeline.training.batch_size).batches()
    latents = LatentSource(game, 0, game.pipeline.training.batch_size, torch.device("cpu"))
    for network in game.networks.values():
        network.train()
    return TurnRunner(evaluator, Engine(device="cpu"), optimizers, lambda: next(batches), latents)


def copied(network: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def modules(network: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kinds)]


# -- one side at a time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_a_step_of_one_side_leaves_the_other_as_it_was_to_the_last_bit(name, small_data):
    """Weights, batch norm's statistics, and the optimiser's state; and no gradient of it is left over."""
    game = built(name, small_data, "turns.discriminators.steps=1")
    runner = at_the_table(game)
    runner.iterate(0)  # so that the optimisers have a state
    other = {"D": ("G", "generators"), "G": ("D", "discriminators")}
    for alone, (still, turn) in zip(("discriminators", "generators"), other.values(), strict=True):
        for network in game.networks.values():
            network.zero_grad(set_to_none=True)
        before = {key: copied(network) for key, network in game.networks.items()}
        state = optimizer_state(runner.optimizers[turn])
        runner.evaluator._steps = {key: float(key == alone) for key in runner.evaluator._steps}
        runner.iterate(1)
        learnt = "D" if alone == "discriminators" else "G"
        assert same(before[still], copied(game.networks[still]))
        assert same(state, optimizer_state(runner.optimizers[turn]))
        assert not same(before[learnt], copied(game.networks[learnt]))
        assert all(p.grad is None for p in game.networks[still].parameters())


@pytest.mark.parametrize("name", ["dcgan", "lsgan"])
def test_the_discriminator_judges_fakes_of_a_generator_in_training_mode(name, small_data):
    """Batch norm of the generator normalises by the batch also where only D learns, and remembers nothing of it."""
    game = built(name, small_data, "turns.discriminators.steps=1")
    runner = at_the_table(game)
    norm: Any = modules(game.networks["G"], nn.modules.batchnorm._BatchNorm)[0]
    kept, seen = norm.running_mean.clone(), []

    def look(module: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        own = nn.functional.batch_norm(given[0], None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        seen.append(torch.allclose(made, own, atol=1e-5))

    norm.register_forward_hook(look)
    runner.evaluator._steps = {key: float(key == "discriminators") for key in runner.evaluator._steps}
    runner.iterate(0)
    assert seen == [True]
    assert torch.equal(norm.running_mean, kept)


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_each_weight_has_one_optimiser(name, small_data):
    game = built(name, small_data)
    runner = at_the_table(game)
    moved = [id(p) for o in runner.optimizers.values() for group in o.param_groups for p in group["params"]]
    assert len(moved) == len(set(moved))
    assert set(moved) == {id(p) for network in game.networks.values() for p in network.parameters()}


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_every_step_draws_its_own_latents(name, small_data):
    """Goodfellow et al. 2014, algorithm 1: the generator is not trained on the fakes that D has just seen."""
    game = built(name, small_data)
    runner = at_the_table(game)
    seen: list[bytes] = []
    game.networks["G"].register_forward_pre_hook(lambda _, values: seen.append(values[0].numpy().tobytes()))
    runner.iterate(1)
    assert len(seen) == len(set(seen)) == len(runner.evaluator.sequence(1))


# -- the first GAN ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "gradient"), [("gan_minimax", -0.00247), ("gan", -0.99753)])
def test_the_generators_gradient_where_the_discriminator_is_sure(name, gradient, small_data):
    """At D's logit -6 on fakes: sigmoid(-6) = 0.00247 against 1 - sigmoid(-6)."""
    game = built(name, small_data)
    (function, _) = term_functions(game.pipeline.phases[0].losses["adversarial"], game.pipeline)["generator"]
    logit = torch.full((4, 1), -6.0, requires_grad=True)
    function(fake=logit).backward()
    assert float(logit.grad.sum()) == pytest.approx(gradient, abs=1e-5)


@pytest.mark.parametrize("name", ["gan", "gan_minimax", "dcgan"])
def test_where_the_discriminator_cannot_tell_its_loss_is_log_4(name, small_data):
    game = built(name, small_data)
    (function, _) = term_functions(game.pipeline.phases[0].losses["adversarial"], game.pipeline)["discriminator"]
    assert float(function(real=torch.zeros(3, 1), fake=torch.zeros(3, 1))) == pytest.approx(2 * 0.6931472)


def widths(network: nn.Module) -> list[int]:
    layers = modules(network, nn.Linear)
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


def test_the_perceptrons_are_those_of_the_sources(small_data):
    game = of_full_size("gan", small_data)
    assert widths(game.networks["G"]) == [100, 256, 512, 784]
    assert widths(game.networks["D"]) == [784, 256, 128, 1]
    assert modules(game.networks["G"], nn.Tanh)
    changes = [
        "latents.z={latent: normal, size: 30}",
        "data.value_range=[0, 1]",
        "networks.G.layers=[fc100 relu, fc150 relu, fc*]",
        "networks.D.layers=[fc150 relu, fc100 relu, fc1]",
        "training.optimizers.generators={name: rmsprop, lr: 1.0e-3, alpha: 0.9}",
        "training.optimizers.discriminators={name: rmsprop, lr: 1.0e-3, alpha: 0.9}",
    ]
    game = of_full_size("gan_minimax", small_data, *changes)
    assert widths(game.networks["G"]) == [30, 100, 150, 784]
    assert widths(game.networks["D"]) == [784, 150, 100, 1]
    assert modules(game.networks["G"], nn.Sigmoid)
    assert not modules(game.networks["D"], nn.Sigmoid)  # it is in the loss
    check(game.pipeline, game.fields)


# -- DCGAN ------------------------------------------------------------------------------------------------------------

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.Upsample)
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def in_order(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.layers if not isinstance(module, nn.Flatten | nn.Unflatten)]


def test_dcgan_keeps_its_rules(small_data):
    game = of_full_size("dcgan", small_data)
    G, D = (in_order(game.networks[name]) for name in "GD")
    for network in (G, D):
        assert not [module for module in network if isinstance(module, POOLS)]
        kinds = [type(module) for module in network if isinstance(module, (*CONVOLUTIONS, nn.Linear))]
        assert nn.Linear not in kinds[1:-1]
    assert sum(isinstance(module, nn.Linear) for module in G) == 1  # from the code to the first maps
    assert sum(isinstance(module, nn.Linear) for module in D) == 1  # to the logit
    assert [module.out_channels for module in G if isinstance(module, nn.ConvTranspose2d)] == [512, 256, 128, 3]
    assert [module.out_channels for module in D if isinstance(module, nn.Conv2d)] == [64, 128, 256, 512]
    assert isinstance(G[-1], nn.Tanh)
    assert isinstance(G[-2], nn.ConvTranspose2d)  # no norm on what it makes
    assert isinstance(D[1], nn.LeakyReLU)  # none on what it is given
    assert D[1].negative_slope == 0.2
    assert len(modules(game.networks["G"], *NORMS)) == 4
    assert len(modules(game.networks["D"], *NORMS)) == 3
    assert not modules(game.networks["G"], nn.LeakyReLU)
    assert not modules(game.networks["D"], nn.ReLU, nn.Sigmoid)
    image = game.fields["image"]
    assert (image.low, image.high, image.height, image.width) == (-1, 1, 64, 64)


def test_the_lecture_notes_dcgan_is_an_override(small_data):
    changes = [
        f"data={{dataset: idx, root: {small_data / 'idx'}, image_size: 28}}",
        "networks.G.layers=[fc128x7x7 batch, t64k5s2 relu batch, t*k5s2]",
        "networks.D.layers=[c64k5s2 leaky dropout0.4, c128k5s2 leaky dropout0.4, fc1]",
    ]
    game = of_full_size("dcgan", small_data, *changes)
    check(game.pipeline, game.fields)
    assert [type(m).__name__ for m in in_order(game.networks["G"])] == [
        "Linear", "BatchNorm2d", "ConvTranspose2d", "ReLU", "BatchNorm2d", "ConvTranspose2d", "Tanh",
    ]  # fmt: skip
    shares = [module.p for module in modules(game.networks["D"], nn.Dropout)]
    assert shares == [0.4, 0.4]
    assert not modules(game.networks["D"], *NORMS)


def test_kernels_that_their_stride_does_not_divide_are_refused_where_the_flag_is_on(small_data):
    with pytest.raises(PipelineError, match="kernel 5 is not divisible by stride 2"):
        of_full_size("dcgan", small_data, "networks.G.check_kernels=refuse")
    fours = "[fc1024x4x4 batch relu, t512k4s2 batch relu, t256k4s2 batch relu, t128k4s2 batch relu, t*k4s2]"
    of_full_size("dcgan", small_data, "networks.G.check_kernels=refuse", f"networks.G.layers={fours}")


def test_the_frogs_network_is_the_books(small_data):
    game = of_full_size("dcgan_cifar", small_data)
    G, D = game.networks["G"], game.networks["D"]
    for network in (G, D):
        assert all(m.kernel_size[0] % m.stride[0] == 0 for m in modules(network, *CONVOLUTIONS))
        assert not modules(network, *POOLS, *NORMS, nn.ReLU)
    assert [(m.out_channels, m.kernel_size[0]) for m in modules(G, *CONVOLUTIONS)] == [
        (256, 5), (256, 4), (256, 5), (256, 5), (3, 7),
    ]  # fmt: skip
    assert [(m.out_channels, m.kernel_size[0], m.stride[0]) for m in modules(D, nn.Conv2d)] == [
        (128, 3, 1), (128, 4, 2), (128, 4, 2), (128, 4, 2),
    ]  # fmt: skip
    assert modules(D, nn.Linear)[0].in_features == 2 * 2 * 128  # 32 -> 30 -> 14 -> 6 -> 2
    assert [m.p for m in modules(D, nn.Dropout)] == [0.4]
    assert game.fields["image"].low == -1  # what tanh spans, where the book has 0
    with pytest.raises(PipelineError, match=r"tanh|output"):
        of_full_size("dcgan_cifar", small_data, "data.value_range=[0, 1]", "networks.G.output=tanh")


def test_its_discriminator_draws_at_random_in_training_only(small_data):
    D, image = built("dcgan_cifar", small_data).networks["D"], torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        D.train()
        assert not torch.equal(D(image), D(image))
        D.eval()
        assert torch.equal(D(image), D(image))


def test_no_gradient_of_the_frogs_is_larger_than_1(small_data):
    game = built("dcgan_cifar", small_data, "losses.adversarial.weight=1000")
    largest: list[float] = []

    def watch(_: str, optimizer: torch.optim.Optimizer) -> None:
        def look(*_: Any) -> None:
            grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
            largest.append(max(float(grad.abs().max()) for grad in grads))

        optimizer.register_step_pre_hook(look)

    at_the_table(game, wrap=watch).iterate(0)
    assert len(largest) == 2
    assert all(0.9 < value <= 1 for value in largest)


def test_the_pooling_form_has_what_dcgan_forbids(small_data):
    game = of_full_size("dcgan_pooling", small_data)
    G, D = game.networks["G"], game.networks["D"]
    assert len(modules(D, nn.MaxPool2d)) == 2
    assert [layer.out_features for layer in modules(D, nn.Linear)] == [256, 1]  # the feature vector, and the logit
    assert len(modules(G, nn.Upsample)) == 2
    assert {layer.stride for layer in modules(G, nn.ConvTranspose2d)} == {(1, 1)}
    assert {layer.stride for layer in modules(D, nn.Conv2d)} == {(1, 1)}


# -- LSGAN ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("labels", "discriminator", "generator"), [((0, 1, 1), 2.125, 0.5), ((-1, 1, 0), 4.625, 2.0)])
def test_the_labels_of_lsgan_change_both_players(labels, discriminator, generator, small_data):
    changes = [f"losses.adversarial.{name}={value}" for name, value in zip("abc", labels, strict=True)]
    game = built("lsgan", small_data, *changes)
    functions = term_functions(game.pipeline.phases[0].losses["adversarial"], game.pipeline)
    real, fake = torch.full((2, 1), 0.5), torch.full((2, 1), 2.0)
    assert float(functions["discriminator"][0](real=real, fake=fake)) == pytest.approx(discriminator)
    assert float(functions["generator"][0](fake=fake)) == pytest.approx(generator)


@pytest.mark.parametrize("name", ["lsgan", "wgan", "wgan_gp"])
def test_the_judges_output_is_linear(name, small_data):
    last = in_order(of_full_size(name, small_data).networks["D"])[-1]
    assert isinstance(last, nn.Linear)


# -- WGAN -------------------------------------------------------------------------------------------------------------


def test_wgans_weights_are_within_the_bound_after_every_critic_step_and_its_statistics_are_not(small_data):
    game = built("wgan", small_data, "turns.discriminators.steps=4")
    D = game.networks["D"]
    largest: list[float] = []
    runner = at_the_table(game)
    finish = runner.evaluator.finish_turn

    def finished(draw: Any, turn: str) -> None:
        largest.append(max(float(p.detach().abs().max()) for p in D.parameters()))
        finish(draw, turn)

    runner.evaluator.finish_turn = finished  # type: ignore[method-assign]
    assert max(float(p.detach().abs().max()) for p in D.parameters()) > 0.01
    runner.iterate(0)
    assert len(largest) == 5
    assert all(value <= 0.01 for value in largest)
    variances = [value for name, value in D.state_dict().items() if name.endswith("running_var")]
    assert variances
    assert all(value.max() > 0.01 for value in variances)


def test_wgans_optimisers_step_exactly_as_its_authors_code_says_over_1000_iterations(small_data):
    """100 critic steps in the first 25 iterations and at every 500th, else 5; and one of the generator in each."""
    game = built("wgan", small_data)
    sequence = Evaluator(game).sequence
    turns = [[turn.turn for turn in sequence(step)] for step in range(1000)]
    assert all(names == ["discriminators"] * (len(names) - 1) + ["generators"] for names in turns)
    assert [len(names) - 1 for names in turns] == [100] * 25 + [5] * 475 + [100] + [5] * 499
    runner = at_the_table(game)
    for step in (0, 24, 25, 499, 500, 999):
        runner.iterate(step)
    steps = {name: {int(s["step"]) for s in o.state.values()} for name, o in runner.optimizers.items()}
    assert steps == {"discriminators": {315}, "generators": {6}}


def test_wgan_without_a_bound_is_refused(small_data):
    pipeline = load_pipeline(
        "wgan", [*small_settings("wgan", small_data), "training.optimizers.discriminators.clip_weights=null"]
    )
    with pytest.raises(PipelineError, match="nothing bounds the slope of critic 'D'"):
        check(pipeline, open_dataset(pipeline).fields)


# -- WGAN-GP ----------------------------------------------------------------------------------------------------------


def test_wgan_gps_critic_judges_each_example_by_itself(small_data):
    game = built("wgan_gp", small_data, "networks.D.scale=0.2")
    D, images = game.networks["D"].train(), torch.rand(6, 1, 28, 28)
    assert not modules(D, *NORMS)
    with torch.no_grad():
        together, alone = D(images), torch.cat([D(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-6)


def test_batch_norm_in_wgan_gps_critic_is_refused(small_data):
    words = "networks.D.layers=[c64k5s2 leaky, c128k5s2 batch leaky, fc1]"
    pipeline = load_pipeline("wgan_gp", [*small_settings("wgan_gp", small_data), words])
    with pytest.raises(PipelineError, match="network 'D' has batch normalisation"):
        check(pipeline, open_dataset(pipeline).fields)


def test_wgan_gps_points_have_one_share_for_each_example(small_data):
    """eps of shape N x 1 x 1 x 1: every pixel of an example lies at the same place between real and fake."""
    game = built("wgan_gp", small_data)
    node = next(node for node in game.graphs[0].nodes if node.kind == "operation" and node.name == "mix")
    first, second = torch.zeros(64, 1, 28, 28), torch.ones(64, 1, 28, 28)
    shares = game.operation(node)(first, second)
    assert torch.equal(shares, shares[:, :1, :1, :1].expand_as(shares))
    assert len(shares[:, 0, 0, 0].unique()) == 64
    assert shares.requires_grad


def test_wgan_gps_penalty_reaches_every_weight_of_the_critic(small_data):
    """Second order: all but the biases of layers behind which nothing bends."""
    game = built("wgan_gp", small_data, "losses.adversarial.weight=0", "networks.D.scale=0.2")
    runner = at_the_table(game)
    evaluator, batch = runner.evaluator, runner.next_batch()
    draw = evaluator.begin(batch, 0, lambda name: runner.latents.sample(name, 0))
    evaluator.run_turn(draw, "discriminators").loss.backward()
    D = game.networks["D"]
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for n, p in D.named_parameters() if "weight" in n)
    assert all(p.grad is None for p in game.networks["G"].parameters())


def test_wgan_gps_generator_makes_28_pixels_by_way_of_7(small_data):
    G = of_full_size("wgan_gp", small_data).networks["G"]
    sizes: list[tuple[int, ...]] = []
    for module in modules(G, nn.ConvTranspose2d):
        module.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    G(torch.empty(1, 128, device="meta"))
    assert sizes == [(128, 7, 7), (64, 14, 14), (1, 28, 28)]
    assert isinstance(in_order(G)[-1], nn.Sigmoid)
