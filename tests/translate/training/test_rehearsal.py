"""What has no deterministic form is said before the first step, with the operation and the component that uses it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import toys
from toy_runs import game, same, toy_manager, weights

from translate.errors import ComponentError
from translate.plugin_manager import PluginManager
from translate.training import train
from translate.training.checkpoint import find_checkpoints

TEXT = (
    "does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms(True)'. "
    "You can turn off determinism just for this operation ..."
)
GAME = game(
    {"steps": 3, "deterministic": True, "preview_every": 1},
    phases=[{"start": 2, "losses": {"reconstruction": {"of": "blur(fake)"}}}],
)


class Undetermined(torch.autograd.Function):
    """What torch does in an operation without a deterministic form, here on every device."""

    @staticmethod
    def forward(_: Any, value: torch.Tensor) -> torch.Tensor:
        return value.clone()

    @staticmethod
    def backward(_: Any, gradient: torch.Tensor) -> torch.Tensor:
        if torch.are_deterministic_algorithms_enabled():
            msg = f"fancy_pad2d_backward_cuda {TEXT}"
            raise RuntimeError(msg)
        return gradient


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    return toy_manager()


def changed(**training: Any) -> dict[str, Any]:
    return {**GAME, "training": {**GAME["training"], **training}}


@pytest.fixture
def undetermined_blur(monkeypatch):
    from translate_plugins.operations import blur

    blurred = blur.blurred
    monkeypatch.setattr(blur, "blurred", lambda image: Undetermined.apply(blurred(image)))


@pytest.mark.usefixtures("undetermined_blur")
def test_a_gradient_of_a_late_phase_is_said_before_the_first_step(manager, tmp_path):
    with pytest.raises(ComponentError) as caught:
        train(GAME, out=tmp_path / "run", manager=manager)
    error = caught.value
    assert error.exit_code == 2
    assert "fancy_pad2d_backward_cuda has no deterministic form" in error.what
    assert "operation 'blur'" in error.what
    assert "step 2" in error.what
    assert "training.deterministic: false" in (error.fix or "")
    assert len(error.block().splitlines()) <= 4
    assert not find_checkpoints(tmp_path / "run/checkpoints")


@pytest.mark.usefixtures("undetermined_blur")
def test_where_nobody_asks_for_it_nothing_is_said(manager, tmp_path):
    assert train(changed(deterministic=False), out=tmp_path / "run", manager=manager).step == 3


def test_a_network_that_fails_in_its_forward_is_named(manager, tmp_path, monkeypatch):
    dense = toys.Dense.forward

    def forward(self: Any, *values: torch.Tensor) -> torch.Tensor:
        if torch.are_deterministic_algorithms_enabled() and values[0].device.type != "meta":  # not in the check
            msg = f"fancy_forward {TEXT}"
            raise RuntimeError(msg)
        return dense(self, *values)

    monkeypatch.setattr(toys.Dense, "forward", forward)
    with pytest.raises(ComponentError, match=r"fancy_forward has no deterministic form.*'toy_dense'"):
        train(GAME, out=tmp_path / "run", manager=manager)


def test_the_rehearsal_changes_no_bit(manager, tmp_path):
    """On a processor both are the same arithmetic; memories, statistics and random numbers are its own."""
    train(changed(deterministic=False), out=tmp_path / "plain", manager=manager)
    train(GAME, out=tmp_path / "rehearsed", manager=manager)
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "rehearsed"))


@pytest.mark.gpu
@pytest.mark.filterwarnings("default")
def test_an_operation_that_torch_itself_refuses_is_named(manager, tmp_path, monkeypatch):
    from translate_plugins.operations import blur

    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    shrunk = torch.nn.functional.adaptive_avg_pool2d
    monkeypatch.setattr(blur, "blurred", lambda image: shrunk(image, image.shape[-1] // 2).repeat(1, 1, 2, 2))
    with pytest.raises(ComponentError, match=r"adaptive_avg_pool2d_backward\S* has no deterministic form.*'blur'"):
        train(changed(device="cuda"), out=tmp_path / "run", manager=manager)
