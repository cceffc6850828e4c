"""Values outside training: operations are at rest meanwhile, and afterwards as they were."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from translate.pipeline import load_pipeline
from translate.pipeline.building import build
from translate.pipeline.computing import evaluate
from translate.pipeline.game import Game
from translate.specs import Image

FIELDS = {"source": Image(1, 4, 4), "target": Image(1, 4, 4)}


@pytest.fixture
def game(catalogue: Any) -> Game:
    document = {
        "data": {"dataset": "toy_data", "image_size": 4},
        "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
        "flow": {"blurred": "noise(source, std=0.5)", "fake": "G(blurred)"},
        "losses": {"adversarial": {"loss": "bce", "real": "D(target)", "fake": "D(noise(fake))"}},
        "training": {"steps": 10},
    }
    pipeline = load_pipeline(document, catalogue=catalogue)
    return build(pipeline, FIELDS, catalogue=catalogue)


def test_operations_are_in_eval_mode_and_go_back(game: Game) -> None:
    nodes = game.graphs[-1].nodes
    node = next(node for node in nodes if node.text == "noise(source, std=0.5)")
    operation: Any = game.operation(node)
    operation.inner = torch.nn.Dropout(0.5).eval()
    seen = []
    operation.register_forward_pre_hook(lambda module, _: seen.append((module.training, module.inner.training)))
    source = torch.rand(2, 1, 4, 4)
    state = torch.get_rng_state()
    (value,) = evaluate(game, [node.index], {"source": source}, networks=game.networks)
    assert torch.equal(value, source), "noise is the identity outside of training"
    assert torch.equal(torch.get_rng_state(), state)
    assert seen == [(False, False)]
    assert (operation.training, operation.inner.training) == (True, False), "each part as it was"
    assert not torch.equal(operation(source), source)


def test_they_go_back_after_an_error_too(game: Game) -> None:
    node = next(node for node in game.graphs[-1].nodes if node.text == "noise(source, std=0.5)")
    operation: Any = game.operation(node)

    def refuse(*_: Any) -> None:
        raise RuntimeError("no")

    operation.register_forward_pre_hook(refuse)
    with pytest.raises(RuntimeError, match="no"):
        evaluate(game, [node.index], {"source": torch.rand(2, 1, 4, 4)}, networks=game.networks)
    assert operation.training
