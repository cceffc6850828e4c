"""What is measured in logged iterations."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
import torch

from translate.pipeline import load_pipeline
from translate.pipeline.building import build, prepare
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.measuring import Movement, comparison, gradient_norms, spread
from translate.specs import Image

FIELDS = {"source": Image(1, 4, 4), "target": Image(1, 4, 4)}


def test_spread_is_half_the_mean_squared_distance_of_two_examples():
    points = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    pairs = torch.stack([(a - b).square().mean() for i, a in enumerate(points) for j, b in enumerate(points) if i != j])
    assert spread(points).item() == pytest.approx((pairs.mean() / 2).sqrt().item(), rel=1e-5)


def test_spread_does_not_take_sharpness_for_diversity():
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 3, 1, 1, generator=generator).expand(6, 3, 64, 64)
    noisy = base + 0.5 * torch.randn(6, 3, 64, 64, generator=generator)
    assert spread(noisy).item() == pytest.approx(spread(base).item(), rel=0.05)
    assert spread(base[:1].expand(6, -1, -1, -1)).item() == 0.0


def compared(catalogue, fields, real, fake, **flow):
    document = {
        "data": {"dataset": "toy_data", "image_size": 4},
        "latents": {"z": {"latent": "normal", "size": 3}},
        "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
        "flow": {"fake": "G(source, z)", **flow},
        "losses": {"adversarial": {"loss": "bce", "real": real, "fake": fake}},
    }
    game = prepare(load_pipeline(document, catalogue=catalogue), fields, catalogue)
    nodes, terms = game.graphs[0].nodes, game.term_nodes[0]["adversarial"]
    found = comparison(nodes, frozenset({"G"}), terms["real"], terms["fake"])
    return [nodes[i].text for i in found.generated], [nodes[i].text for i in found.given]


@pytest.mark.parametrize(
    ("real", "fake", "given"),
    [
        ("D(target)", "D(fake)", ["target"]),
        ("D(source, target)", "D(source, fake)", ["target"]),
        ("D(target)", "D(pool(noise(fake, std=0.1), size=6))", ["target"]),
        ("D(concat(source, target))", "D(concat(source, fake))", ["concat(source, target)", "target"]),
    ],
)
def test_what_a_discriminator_compares(catalogue, real, fake, given):
    assert compared(catalogue, FIELDS, real, fake) == (["G(source, z)"], given)


def count(calls: Counter[str], name: str, *_: Any) -> None:
    calls[name] += 1


def test_measuring_calls_no_network_and_changes_no_value(catalogue):
    """Equal losses, gradients and calls, with and without."""
    document = {
        "data": {"dataset": "toy_data", "image_size": 4},
        "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
        "flow": {"fake": "G(source)"},
        "losses": {"adversarial": {"loss": "lsgan", "real": "D(target)", "fake": "D(fake)"}},
        "training": {"batch_size": 8},
    }
    pipeline = load_pipeline(document, catalogue=catalogue)
    generator = torch.Generator().manual_seed(0)
    batch = {name: torch.randn(8, 1, 4, 4, generator=generator) for name in FIELDS}
    seen = []
    for measuring in (False, True):
        game = build(pipeline, FIELDS, catalogue=catalogue)
        calls: Counter[str] = Counter()
        for name, network in game.networks.items():
            network.register_forward_hook(partial(count, calls, name))
        evaluator = Evaluator(game)
        draw = evaluator.begin(batch, 0, lambda name: torch.empty(0))
        result = evaluator.run_turn(draw, "discriminators", ("generators",), measuring=measuring)
        result.loss.backward()
        seen.append((result.loss.item(), calls, [p.grad.tolist() for p in game.networks["D"].parameters()]))
    assert seen[0] == seen[1]
    assert calls == {"G": 1, "D": 2}
    assert {"adversarial.diversity", "adversarial.accuracy_real"} <= result.measured.keys()
    fake = game.networks["G"](batch["source"])
    wanted = spread(fake) / spread(batch["target"])
    assert result.measured["adversarial.diversity"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_gradient_norms_and_movement():
    layer = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0]]))
    still = torch.nn.Linear(2, 1)
    networks = {"D": list(layer.parameters()), "G": list(still.parameters())}
    movement = Movement(networks)
    layer.weight.grad = torch.tensor([[6.0, 8.0]])
    with torch.no_grad():
        layer.weight -= 0.1 * layer.weight.grad
    assert {name: value.item() for name, value in gradient_norms(networks).items()} == {"D.gradient_norm": 10.0}
    found = {name: value.item() for name, value in movement.values().items()}
    assert found == pytest.approx({"D.update": 0.2, "G.update": 0.0})


def test_weights_that_begin_at_zero_have_moved_little():
    weight = torch.nn.Parameter(torch.zeros(100))
    movement = Movement({"G": [weight]})
    with torch.no_grad():
        weight += 1e-3
    assert movement.values()["G.update"].item() == pytest.approx(0.1, rel=1e-4)
