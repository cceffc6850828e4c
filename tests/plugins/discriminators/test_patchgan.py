"""Patch discriminator: sizes, receptive fields, layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate import Image
from translate.errors import ComponentError
from translate_plugins.discriminators.patchgan import patchgan

PICTURE = Image(3, 256, 256)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def on_meta(*inputs, **choices):
    with torch.device("meta"):
        return patchgan(*inputs, **choices)


def layers_of(network):
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0]) for m in convs]


@pytest.mark.parametrize(("field", "side"), [(1, 256), (16, 126), (70, 30), (286, 6)])
def test_the_output_at_256(field, side):
    network = on_meta(PICTURE, PICTURE, receptive_field=field)
    pictures = [torch.empty(1, 3, 256, 256, device="meta")] * 2
    assert network(*pictures).shape == (1, 1, side, side)


@pytest.mark.parametrize(("field", "size"), [(1, 16), (16, 64), (70, 256), (286, 768)])
def test_the_receptive_field_is_exact(field, size):
    network = patchgan(Image(1, size, size), receptive_field=field, width=2, norm="none", init_std=1.0).double()
    x = torch.randn(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    out = network(x)
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    reached = x.grad[0, 0] != 0
    assert reached.any(0).sum() == field
    assert reached.any(1).sum() == field
    assert reached.sum() == field**2


def test_one_pixel_changes_the_cells_whose_patch_holds_it():
    network = patchgan(Image(1, 256, 256), width=2, norm="none", init_std=1.0).double()
    x = torch.randn(1, 1, 256, 256, dtype=torch.float64)
    y = x.clone()
    y[0, 0, 128, 128] += 1
    changed = (network(x) != network(y))[0, 0]
    # Cell j sees the pixels 8 j - 23 to 8 j + 46: pixel 128 lies in the cells 11 to 18.
    cells = torch.zeros(30, 30, dtype=torch.bool)
    cells[11:19, 11:19] = True
    assert torch.equal(changed, cells)


@pytest.mark.parametrize(
    ("field", "layers"),
    [
        (1, [(6, 64, 1, 1), (64, 128, 1, 1), (128, 1, 1, 1)]),
        (16, [(6, 64, 4, 2), (64, 128, 4, 1), (128, 1, 4, 1)]),
        (70, [(6, 64, 4, 2), (64, 128, 4, 2), (128, 256, 4, 2), (256, 512, 4, 1), (512, 1, 4, 1)]),
        (
            286,
            [
                (6, 64, 4, 2),
                (64, 128, 4, 2),
                (128, 256, 4, 2),
                (256, 512, 4, 2),
                (512, 512, 4, 2),
                (512, 512, 4, 1),
                (512, 1, 4, 1),
            ],
        ),
    ],
)
def test_the_layers_are_the_papers(field, layers):
    assert layers_of(on_meta(PICTURE, PICTURE, receptive_field=field)) == layers


def test_it_has_as_many_parameters_as_the_authors_network():
    # The authors' PyTorch code reports 2.769 M for the conditional discriminator.
    network = on_meta(PICTURE, PICTURE)
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 3) == 2.769


@pytest.mark.parametrize("field", [1, 16, 70, 286])
def test_norm_stands_everywhere_but_at_the_first_and_last_convolution_and_no_sigmoid_ends_it(field):
    network = on_meta(PICTURE, receptive_field=field)
    kinds = [type(module) for module in network.layers]
    block = [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    middle = (len(kinds) - 3) // 3
    assert kinds == [nn.Conv2d, nn.LeakyReLU, *block * middle, nn.Conv2d]
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize("norm", ["instance", "layer", "none"])
def test_without_batch_norm_examples_are_judged_alone(norm):
    network = patchgan(Image(3, 32, 32), width=4, norm=norm, init_std=0.2)
    x = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(network(x)[:1], network(x[:1]))


def test_with_batch_norm_they_are_not():
    network = patchgan(Image(3, 32, 32), width=4, init_std=0.2)
    x = torch.randn(3, 3, 32, 32)
    assert not torch.allclose(network(x)[:1], network(x[:1]), atol=1e-3)


@pytest.mark.parametrize(("field", "smallest"), [(16, 6), (70, 24), (286, 96)])
def test_the_smallest_size_works_and_less_is_refused(field, smallest):
    network = on_meta(Image(1, smallest, smallest), receptive_field=field)
    assert network(torch.empty(2, 1, smallest, smallest, device="meta")).shape == (2, 1, 1, 1)
    with pytest.raises(ComponentError, match=f"receptive field {field} needs images of {smallest}x{smallest}"):
        on_meta(Image(1, smallest, smallest - 1), receptive_field=field)


def test_the_error_names_the_largest_field_that_fits():
    with pytest.raises(ComponentError, match="write `receptive_field: 16`"):
        patchgan(Image(1, 20, 20))


@pytest.mark.parametrize("field", [1, 16, 70])
def test_a_batch_trains_every_parameter(field):
    network = patchgan(Image(3, 32, 32), Image(1, 32, 32), receptive_field=field, width=4, init_std=0.2)
    network(torch.randn(2, 3, 32, 32), torch.randn(2, 1, 32, 32)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []
