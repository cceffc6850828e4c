from __future__ import annotations

import pytest
import torch
from torch import nn

from translate.errors import ComponentError
from translate.pipeline.inference_form import FixedDropout, inference_networks
from translate.pipeline.settings import InferenceKeys

IMAGE = InferenceKeys(batch_norm="image")
RUNNING = InferenceKeys()
DROPOUT = InferenceKeys(dropout="on")


def convert(network: nn.Module, keys: InferenceKeys) -> nn.Module:
    return inference_networks({"G": network}, keys)["G"]


def trained_norm(channels: int = 5) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


def test_image_statistics_are_those_of_a_training_batch_of_one():
    norm = trained_norm()
    x = 3 * torch.randn(4, 5, 7, 6) + 2
    form = convert(nn.Sequential(norm), IMAGE)
    expected = torch.cat([norm.train()(one[None]) for one in x])
    torch.testing.assert_close(form(x), expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(form(x), norm.train()(x), atol=1e-2)


def test_running_statistics_are_kept():
    norm = trained_norm()
    x = torch.randn(4, 5, 7, 6)
    assert torch.equal(convert(nn.Sequential(norm), RUNNING)(x), norm.eval()(x))


def test_a_network_that_is_a_norm_itself_and_a_single_position():
    norm = trained_norm()
    form = convert(norm, IMAGE)
    torch.testing.assert_close(form(torch.randn(2, 5, 1, 1)), norm.bias[None, :, None, None].expand(2, -1, 1, 1))


def test_vectors_keep_running_statistics_and_sequences_have_their_own():
    norm = nn.BatchNorm1d(3)
    norm.running_mean.fill_(0.5)
    form = convert(norm, IMAGE)
    vectors, sequences = torch.randn(4, 3), torch.randn(2, 3, 9)
    torch.testing.assert_close(form(vectors), norm.eval()(vectors))
    expected = torch.cat([norm.train()(one[None]) for one in sequences])
    torch.testing.assert_close(form(sequences), expected, atol=1e-5, rtol=1e-5)


def test_the_original_is_left_alone():
    network = nn.Sequential(nn.Conv2d(3, 5, 3), trained_norm(), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    form = convert(network, InferenceKeys(batch_norm="image", dropout="on"))
    form(torch.randn(2, 3, 8, 8))
    assert network.training
    assert not form.training
    assert type(network[1]) is nn.BatchNorm2d
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(p.requires_grad for p in network.parameters())
    assert not any(p.requires_grad for p in form.parameters())
    with torch.no_grad():
        form[0].weight.zero_()
    assert torch.equal(network[0].weight, before["0.weight"])


def test_dropout_off_removes_the_layers():
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(convert(nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.5)), RUNNING)(x), x)


def test_dropout_on_does_not_depend_on_the_batch_or_the_call_or_chance():
    form = convert(nn.Sequential(nn.Dropout(0.5)), DROPOUT)
    x = torch.rand(5, 4, 6, 7) + 1
    torch.manual_seed(1)
    whole = form(x)
    torch.manual_seed(2)
    assert torch.equal(whole, torch.cat([form(one[None]) for one in x]))
    assert torch.equal(form(x[..., :4, :3]), whole[..., :4, :3]), "a position has the same fate at every size"
    kept = whole != 0
    torch.testing.assert_close(whole[kept], 2 * x[kept])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("layer", [0, 1, 5])
def test_the_mask_is_statistically_that_of_dropout(p, layer):
    kept = FixedDropout(p, layer=layer, seed=3, channelwise=False).mask(torch.empty(1, 32, 64, 64)).double()
    assert abs(kept.mean() - (1 - p)) < min(0.01, 5 * (p * (1 - p) / kept.numel()) ** 0.5)
    z = (kept - (1 - p)) / (p * (1 - p)) ** 0.5
    # Neither neighbours on any axis nor distant positions know of one another: below 5 standard errors.
    for axis in range(3):
        for distance in (1, 2, 4, 8, 16):
            correlation = (
                z.narrow(axis, distance, z.shape[axis] - distance) * z.narrow(axis, 0, z.shape[axis] - distance)
            ).mean()
            assert abs(correlation) < 5 / z.numel() ** 0.5 * 1.5
    # No visible pattern: no frequency stands out of white noise (exponential: P(> 25) = 1.4e-11 each).
    power = torch.fft.fftn(z).abs() ** 2 / z.numel()
    assert power.max() < 25
    for axes in ((0, 1), (0, 2), (1, 2)):  # whole rows, columns or channels are neither kept nor dropped
        share = kept.mean(axes)
        spread = (p * (1 - p) * share.numel() / kept.numel()) ** 0.5
        assert (share - (1 - p)).abs().max() < 6 * spread


def test_masks_differ_by_layer_and_by_seed_and_p_one_drops_all():
    x = torch.empty(1, 8, 32, 32)
    masks = [
        FixedDropout(0.5, layer=n, seed=s, channelwise=False).mask(x) for n, s in ((0, 0), (1, 0), (0, 1), (0, 2**40))
    ]
    for first in range(4):
        for second in range(first):
            assert abs((masks[first] == masks[second]).float().mean() - 0.5) < 0.03
    assert not FixedDropout(1.0, layer=0, seed=0, channelwise=False)(torch.ones(1, 2, 3, 3)).any()


def test_the_mask_is_fixed_for_ever():
    """A change here changes the pictures of every trained pipeline with dropout on."""
    mask = FixedDropout(0.5, layer=0, seed=0, channelwise=False).mask(torch.empty(1, 2, 3, 4))
    assert mask.int().flatten().tolist() == GOLDEN


# From this very code (torch 2.15), and by the formula in plain Python integers in the test below.
GOLDEN = [0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1]


def test_the_mask_is_the_stated_formula():
    def mix(v: int) -> int:
        for m in (0x21F0AAAD, 0x735A2D97):
            v = ((v ^ (v >> 16)) * m) & 0xFFFFFFFF
        return v ^ (v >> 16)

    layer = FixedDropout(0.3, layer=2, seed=9, channelwise=False)
    mask = layer.mask(torch.empty(1, 3, 5, 4))
    for c in range(3):
        for h in range(5):
            for w in range(4):
                state = layer.start
                for position in (c, h, w):
                    state = mix(((position + 1) * 0x1E3779B9 + state) & 0xFFFFFFFF)
                assert bool(mask[c, h, w]) == (state >= round(0.3 * 2**32))


def test_channel_dropout_drops_whole_channels():
    form = convert(nn.Sequential(nn.Dropout2d(0.5)), DROPOUT)
    result = form(torch.ones(2, 64, 3, 3))
    assert set(result.mean((2, 3)).flatten().tolist()) == {0.0, 2.0}


def test_layers_of_a_network_have_masks_of_their_own_and_shared_ones_the_same():
    shared = nn.Dropout(0.5)
    form = convert(nn.Sequential(shared, nn.Dropout(0.5), shared), DROPOUT)
    assert form[0] is form[2]
    x = torch.ones(1, 8, 16, 16)
    assert not torch.equal(form[0](x), form[1](x))


@pytest.mark.parametrize("modern", [True, False])
def test_spectral_norm_is_folded_and_the_original_keeps_it(modern):
    wrap = nn.utils.parametrizations.spectral_norm if modern else nn.utils.spectral_norm
    network = nn.Sequential(wrap(nn.Conv2d(3, 4, 3)), nn.ReLU())
    x = torch.randn(2, 3, 8, 8)
    network.train()(x).sum()  # leaves a computed weight behind, which deepcopy alone would refuse
    form = convert(network, RUNNING)
    torch.testing.assert_close(form(x), network.eval()(x))
    assert sorted(form.state_dict()) == ["0.bias", "0.weight"]
    assert len(network.state_dict()) > 2
    network.train()(x)


def test_weight_norm_is_folded():
    network = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    form = convert(network, RUNNING)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(form(x), network(x))
    assert sorted(form.state_dict()) == ["bias", "weight"]


def test_a_network_without_any_of_this_and_shared_weights():
    one = nn.Conv2d(3, 3, 1)
    forms = inference_networks({"A": nn.Sequential(one), "B": nn.Sequential(one)}, RUNNING)
    assert forms["A"][0] is forms["B"][0]
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(forms["A"](x), one(x))


class Conditional(nn.BatchNorm2d):
    def forward(self, x, label):  # type: ignore[override]
        return super().forward(x) * label


@pytest.mark.parametrize(
    ("network", "keys", "text"),
    [
        (Conditional(3), IMAGE, "computes its own kind"),
        (nn.BatchNorm2d(3, track_running_stats=False), RUNNING, "gathers no running statistics"),
        (nn.AlphaDropout(0.5), DROPOUT, "has no fixed-mask form"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(network, keys, text):
    with pytest.raises(ComponentError, match=text) as caught:
        convert(nn.Sequential(network), keys)
    assert "G.0" in str(caught.value)
    assert caught.value.fix
