"""The average of weights follows its formula."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from translate.errors import ModelFileError
from translate.training.ema import Ema


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.utils.parametrizations.spectral_norm(nn.Linear(4, 2)))


def move(module, step):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.full_like(parameter, float(step)) + parameter * 0.5)
        for buffer in module.buffers():
            buffer.add_(step)


def test_closed_form():
    decay, source = 0.9, nn.Linear(1, 1, bias=False)
    ema = Ema({"G": source}, decay=decay)
    for step in range(1, 8):
        nn.init.constant_(source.weight, float(step))
        ema.update(step)
    # w_1 is copied, then a_n = d a_(n-1) + (1 - d) w_n with w_n = n
    expected = decay**6 * 1 + (1 - decay) * sum(decay ** (7 - n) * n for n in range(2, 8))
    assert ema.modules["G"].weight.item() == pytest.approx(expected, rel=1e-6)
    assert source.weight.item() == 7


def test_the_same_as_torch():
    ours, theirs = network(), network()
    ema = Ema({"G": ours}, decay=0.99)
    averaged = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    for step in range(1, 6):
        move(ours, step)
        move(theirs, step)
        ema.update(step)
        averaged.update_parameters(theirs)
    expected = averaged.module.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in ema.modules["G"].state_dict().items())


def test_buffers_are_copied_and_keep_their_type():
    source = network()
    ema = Ema({"G": source}, decay=0.99)
    for step in (1, 2, 3):
        move(source, step)
        ema.update(step)
    buffers = dict(source.named_buffers())
    assert buffers["1.num_batches_tracked"].item() == 6
    for name, buffer in ema.modules["G"].named_buffers():
        assert torch.equal(buffer, buffers[name])
        assert buffer.dtype == buffers[name].dtype
        assert buffer.data_ptr() != buffers[name].data_ptr()


def test_copies_until_the_start():
    source = nn.Linear(1, 1)
    ema = Ema({"G": source}, decay=0.5, start=3)
    for step in (1, 2, 3):
        nn.init.constant_(source.weight, float(step))
        ema.update(step)
        assert ema.modules["G"].weight.item() == step
    nn.init.constant_(source.weight, 5.0)
    ema.update(4)
    assert ema.modules["G"].weight.item() == 4.0


def test_the_state_comes_back_and_goes_on_the_same():
    first = network()
    ema = Ema({"G": first}, decay=0.9)
    for step in (1, 2):
        move(first, step)
        ema.update(step)
    second = copy.deepcopy(first)
    other = Ema({"G": second}, decay=0.9)
    saved = {name: {k: v.clone() for k, v in tensors.items()} for name, tensors in ema.weights().items()}
    assert set(saved) == {"ema/G"}
    other.load_state_dict(ema.state_dict(), saved)
    for step in (3, 4):
        for source, average in ((first, ema), (second, other)):
            move(source, step)
            average.update(step)
    a, b = ema.weights()["ema/G"], other.weights()["ema/G"]
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_missing_average_is_named():
    ema = Ema({"G": network()}, decay=0.9)
    with pytest.raises(ModelFileError, match="no average of network 'G'"):
        ema.load_state_dict({"updates": 1}, {"G": {}})


def test_averages_take_no_gradient():
    ema = Ema({"G": network()}, decay=0.9)
    assert not any(p.requires_grad for p in ema.modules["G"].parameters())


def test_a_network_without_weights_is_fine():
    ema = Ema({"G": nn.Identity()}, decay=0.9)
    ema.update(1)
    ema.update(2)
    assert ema.updates == 2


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_the_decay_has_a_range(decay):
    with pytest.raises(ValueError, match="decay must be in"):
        Ema({}, decay=decay)
