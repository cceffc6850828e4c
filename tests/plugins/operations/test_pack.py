"""Packing."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError, PipelineError
from translate.pipeline import load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.opening import open_dataset
from translate_plugins.operations.pack import pack

PACKED = ["losses.adversarial.real=D(pack(point, count=3))", "losses.adversarial.fake=D(pack(fake, count=3))"]


def test_images_are_joined_on_their_channels_in_order():
    images = torch.arange(6 * 2 * 3 * 4.0).view(6, 2, 3, 4)
    packed = pack(images, count=3)
    assert packed.shape == (2, 6, 3, 4)
    for row in range(2):
        assert torch.equal(packed[row], torch.cat([images[3 * row + k] for k in range(3)]))


def test_vectors_are_joined():
    assert pack(torch.tensor([[1.0, 2], [3, 4], [5, 6], [7, 8]])).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_one_changes_nothing():
    value = torch.randn(3, 2)
    assert torch.equal(pack(value, count=1), value)


def test_gradients_reach_every_example():
    value = torch.randn(4, 2, requires_grad=True)
    pack(value).square().sum().backward()
    assert torch.equal(value.grad, 2 * value)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ComponentError, match="a batch of 8 cannot be divided into packs of 3") as caught:
        pack(torch.zeros(8, 2), count=3)
    assert caught.value.fix == "set training.batch_size to a multiple of 3"


def test_labels_are_refused():
    with pytest.raises(ComponentError, match="pack takes images or vectors"):
        pack(torch.zeros(4))


def test_it_is_said_before_training():
    pipeline = load_pipeline("mixture", [*PACKED, "training.batch_size=8"])
    with pytest.raises(PipelineError, match="a batch of 8 cannot be divided into packs of 3") as caught:
        check(pipeline, open_dataset(pipeline).fields)
    assert "losses.adversarial.real" in str(caught.value)


def test_the_discriminator_is_built_for_a_pack_and_learns():
    pipeline = load_pipeline("mixture", [*PACKED, "training.batch_size=9"])
    game = check(pipeline, open_dataset(pipeline).fields)
    assert next(game.networks["D"].parameters()).shape == (128, 6)
    assert next(game.networks["G"].parameters()).shape == (128, 2)
