"""What the papers of ProGAN and MSG-GAN fix about the shipped games, at every change of stage."""

from __future__ import annotations

import math
from pathlib import Path

import onnx
import pytest
import torch
from small_sets import built, small_settings
from torch.utils.flop_counter import FlopCounterMode
from toy_runs import StopAt

from translate import Image, Vector
from translate.errors import Stopped
from translate.evaluation import evaluate as measure
from translate.pipeline import load_pipeline
from translate.pipeline.computing import evaluate
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.expressions import parse_expression
from translate.pipeline.game import Game
from translate.specs import Scalar
from translate.training import train
from translate.training.checkpoint import load_checkpoint
from translate_plugins.discriminators.progressive import progressive as discriminator
from translate_plugins.generators.progressive import progressive as generator
from translate_plugins.growing import doubled, halved, side_of
from translate_plugins.layers import PixelNorm
from translate_plugins.parametrizations.equalised import equalised

ALMOST = 1e-9  # of a stage: the larger size, with as good as nothing of the new layers
STAGES = (0, 1, 2)  # that another one follows, with 32 x 32 pixels


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def networks():
    """Both players for 32 x 32 pixels, that grow."""
    G = generator(Vector(16), Scalar(), makes=Image(3, 32, 32), base=128, output="linear")
    D = discriminator(Image(3, 32, 32), Scalar(), base=128)
    return equalised(G), equalised(D)


# -- 4.19: growing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_a_new_stage_begins_with_the_image_of_the_one_before(stage):
    make, _ = networks()
    z = torch.randn(4, 16)
    before = doubled(make(z, float(stage)))
    torch.testing.assert_close(make(z, stage + ALMOST), before, rtol=0, atol=1e-6)
    features = [make.blocks[0](z)]
    for block in list(make.blocks)[1 : stage + 2]:
        features.append(block(features[-1]))
    assert torch.equal(make.faded(features, stage + 1, 0.0), before)


@pytest.mark.parametrize("stage", STAGES)
def test_a_new_stage_begins_with_the_judgement_of_the_one_before(stage):
    _, judge = networks()
    image = torch.randn(4, 3, side_of(stage + 1), side_of(stage + 1))
    torch.testing.assert_close(judge(image, stage + ALMOST), judge(halved(image), float(stage)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_stands_ignores_the_old_path(stage):
    make, judge = networks()
    make(torch.randn(4, 16), float(stage + 1)).sum().backward()
    judge(torch.randn(4, 3, side_of(stage + 1), side_of(stage + 1)), float(stage + 1)).sum().backward()
    for layers in (make.to_image, judge.from_image):
        for name, layer in layers.items():
            reached = {parameter.grad is not None for parameter in layer.parameters()}
            assert reached == {name == f"x{side_of(stage + 1)}"}


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.9])
def test_between_two_stages_an_image_is_their_mixture(alpha):
    make, _ = networks()
    z = torch.randn(4, 16)
    torch.testing.assert_close(
        make(z, 1 + alpha), (1 - alpha) * doubled(make(z, 1.0)) + alpha * make(z, 2.0), rtol=1e-4, atol=1e-5
    )


def test_the_features_of_each_pixel_have_a_unit_mean_square():
    make, _ = networks()
    normed = [part for part in make.modules() if isinstance(part, PixelNorm)]
    assert len(normed) == 2 * 4  # after each convolution, and the dense layer
    seen: list[torch.Tensor] = []
    for part in normed:
        part.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    make(torch.randn(4, 16), 3.0)
    for features in seen:
        mean_square = features.square().mean(1)
        torch.testing.assert_close(mean_square, torch.ones_like(mean_square), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("growth", [0.0, 1.5, 3.0])
def test_the_deviation_over_the_batch_enters_before_the_last_block(growth):
    _, judge = networks()
    seen: list[torch.Tensor] = []
    judge.blocks[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    side = side_of(math.ceil(growth))
    image = torch.randn(1, 3, side, side)
    judge(image.repeat(4, 1, 1, 1), growth)
    judge(torch.randn(4, 3, side, side), growth)
    same, different = (features[:, -1] for features in seen)
    assert same.shape == (4, 4, 4)
    assert same.max() <= 1e-4 + 1e-6
    assert different.unique().numel() == 1
    assert different.max() > 0.01


def test_of_a_permuted_batch_the_judgements_are_permuted():
    _, judge = networks()
    image, order = torch.randn(6, 3, 32, 32), torch.randperm(6)
    torch.testing.assert_close(judge(image[order], 3.0), judge(image, 3.0)[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["progan", "msg_gan"])
def test_weights_are_standard_normal_and_scaled_by_hes_constant_at_run_time(name, small_data):
    for network in built(name, small_data, "networks.G.base=256", "networks.D.base=256").networks.values():
        layers = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
        assert len(layers) > 8
        stored = torch.cat([layer.parametrizations.weight.original.flatten() for layer in layers])
        assert stored.std().item() == pytest.approx(1.0, abs=0.02)
        for layer in layers:
            fan_in = layer.weight[0].numel()
            torch.testing.assert_close(layer.weight, layer.parametrizations.weight.original * math.sqrt(2 / fan_in))


def test_low_stages_compute_at_low_resolution():
    """Operations for an image, forward and backward, of stages 0 and 1 below half of those of the last (C5)."""
    make, judge = networks()

    def operations(growth: float) -> int:
        with FlopCounterMode(display=False) as counter:
            judge(make(torch.randn(16, 16), growth), growth).sum().backward()
        return counter.get_total_flops()

    assert 0 < operations(0.0) < 0.5 * operations(3.0)
    assert operations(0.0) < operations(1.0) < 0.5 * operations(3.0)


# -- 4.19: the shipped game -------------------------------------------------------------------------------------------


def test_phases_begin_where_resolutions_do_and_each_sees_as_many_pictures():
    pipeline = load_pipeline("progan", complete=False)
    growth = pipeline.schedules["growth"].create()
    starts = [phase.start for phase in pipeline.phases]
    for stage, phase in enumerate(pipeline.phases[1:], 1):
        assert growth(phase.start - 1) == growth(phase.start) == stage - 1
        assert stage - 1 < growth(phase.start + 1) < stage
        assert phase.reset_optimizers
    ends = [*starts[1:], pipeline.training.steps]
    pictures = [
        (end - start) * phase.batch_size for start, end, phase in zip(starts, ends, pipeline.phases, strict=True)
    ]
    assert pictures == pytest.approx([600e3, *[1200e3] * 4], rel=0.001)
    assert growth(pipeline.training.steps) == 4.0


@pytest.fixture(scope="module")
def grown(small_data, tmp_path_factory) -> Path:
    settings = [*small_settings("progan", small_data), "training.observers=[metrics_file, samples]"]
    more = ["training.checkpoint_every=1", "training.keep_checkpoints=20", "training.preview_every=1"]
    return train("progan", [*settings, *more], out=tmp_path_factory.mktemp("grown") / "run").folder


def test_it_trains_through_every_stage_and_is_measured_and_exported_at_any(grown):
    import translate

    assert len((grown / "metrics.jsonl").read_text().splitlines()) == 9
    assert len(list((grown / "samples").iterdir())) == 10
    for step, side in ((1, 4), (5, 16)):  # the last stage is exported with all shipped pipelines (slow)
        folder = grown / "checkpoints" / f"{step:06d}"
        assert measure(folder, device="cpu").values["diversity"] >= 0
        translate.export(folder, output=grown / f"{step}.onnx")
        picture = onnx.load(grown / f"{step}.onnx").graph.output[0].type.tensor_type.shape.dim
        assert [place.dim_value for place in picture[1:]] == [side, side, 3]


def test_a_network_is_built_whole_whatever_the_length_of_the_training(small_data):
    short = built("progan", small_data, "training.steps=1")
    assert len(short.networks["G"].blocks) == len(short.networks["D"].blocks) == 5
    assert short.final("growth") == 4.0


CONDITIONAL = (
    "networks.G.base=64",
    "networks.D.base=64",
    "flow.fake=G(z, label, growth)",
    "losses.adversarial.real=D(real, label, growth)",
    "losses.adversarial.fake=D(fake, label, growth)",
    "losses.penalty.of=D(between, label, growth)",
    "losses.drift.of=D(real, label, growth)",
    "export.generate.inputs=[z, label]",
    "data.image_size=32",
    "schedules.growth={schedule: growth, stages: 4, stable: 1, fade: 1}",
    "evaluation=null",
)


def test_growth_works_in_a_conditional_gan_by_settings_alone(small_data, tmp_path):
    import translate

    data = ["data.dataset=labelled_folders", f"data.root={small_data / 'labelled_folders'}"]
    settings = [*small_settings("progan", small_data), *data, *CONDITIONAL, "training.observers=[metrics_file]"]
    settings = [setting for setting in settings if not setting.startswith("evaluation.")]
    run = train("progan", settings, out=tmp_path / "run").folder
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 9
    translate.export(run, output=tmp_path / "g.onnx")
    assert [given.name for given in onnx.load(tmp_path / "g.onnx").graph.input] == ["z", "label"]


# -- 4.20: all scales at once -----------------------------------------------------------------------------------------


def scales_of(game: Game, count: int = 4):
    z = game.latents["z"].sample(count, generator=torch.Generator().manual_seed(0), device=torch.device("cpu"))
    nodes = [game.add(parse_expression(text), ("inputs",)) for text in ("made", "D(made.scales)")]
    return evaluate(game, nodes, {"z": z}, networks=game.networks)


def test_the_judgement_has_a_gradient_to_every_scale(small_data):
    game = built("msg_gan", small_data)
    made, judged = scales_of(game)
    assert [image.shape[-1] for image in made["scales"]] == [4, 8, 16, 32]
    for gradient in torch.autograd.grad(judged.sum(), made["scales"]):
        assert (gradient.flatten(1).norm(dim=1) > 1e-6).all()


def test_without_one_scale_nothing_is_judged(small_data):
    game = built("msg_gan", small_data)
    made, _ = scales_of(game)
    for left_out in range(4):
        rest = [image for index, image in enumerate(made["scales"]) if index != left_out]
        with pytest.raises((RuntimeError, IndexError, ValueError)):
            game.networks["D"](rest)


def test_all_scales_are_of_one_batch(small_data):
    """Changing one latent changes that example at every scale, and no other."""
    game = built("msg_gan", small_data)
    z = torch.randn(4, *game.latents["z"].spec.shape)
    other = z.clone()
    other[2] = torch.randn_like(other[2])
    first, second = (game.networks["G"](code)["scales"] for code in (z, other))
    for before, after in zip(first, second, strict=True):
        changed = (before - after).abs().flatten(1).amax(1) > 1e-6
        assert changed.tolist() == [False, False, True, False]


def test_every_name_of_a_scale_is_that_scale(small_data):
    made, _ = scales_of(built("msg_gan", small_data))
    assert made["full"] is made["scales"][-1] is made["x32"]
    assert [made[f"x{side}"] for side in (4, 8, 16, 32)] == made["scales"]


def test_both_players_of_msg_gan_take_each_step_together(small_data):
    turns = [turn.turn for turn in Evaluator(built("msg_gan", small_data)).sequence(0)]
    assert turns == ["discriminators", "generators"]


@pytest.mark.parametrize("stop", [4, 5])
def test_a_growing_run_that_is_stopped_in_a_fade_or_at_its_beginning_ends_in_the_same_bits(grown, small_data, stop):
    settings = [*small_settings("progan", small_data), "training.observers=[metrics_file]"]
    settings += ["training.checkpoint_every=100"]
    out = grown.parent / f"stopped at {stop}"
    with pytest.raises(Stopped):
        train("progan", settings, out=out, observers=[StopAt(stop)])
    train("progan", settings, out=out)
    whole, parts = (load_checkpoint(folder / "checkpoints" / "000009") for folder in (grown, out))
    assert parts.state["examples"] == whole.state["examples"] == 5 * 2 + 4 * 3
    for name, weights in whole.weights.items():
        assert all(torch.equal(value, parts.weights[name][key]) for key, value in weights.items())
