"""Devices, precision and guarded steps in one process; two processes over gloo."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from translate.errors import ComponentError, MachineError, PluginError, UsageError
from translate.optimizers import build_optimizer
from translate.training.engine import Engine, translated_errors
from translate.training.guard import SkipCounter, non_finite_there

CPU_ONLY = pytest.mark.skipif(torch.cuda.is_available(), reason="about a machine without a GPU")
OPTIMIZERS = [
    {"name": "adam"},
    {"name": "adam", "fused": False},
    {"name": "adamw", "amsgrad": True},
    {"name": "sgd"},
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.9, "dampening": 0.5},
    {"name": "adagrad"},
    {"name": "rmsprop"},
]
WORKER = Path(__file__).with_name("two_processes.py")


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC_")) or name in {"LOCAL_RANK", "RANK", "WORLD_SIZE"}:
            monkeypatch.delenv(name)


@pytest.fixture(params=["host", "device"])
def engine(request, monkeypatch):
    """On a CPU the host decides about a step; the decision on the device is made to happen here too."""
    if request.param == "device":
        monkeypatch.setattr("translate.training.engine.non_finite", non_finite_there)
    engine = Engine(device="cpu")
    engine.launch()
    yield engine
    engine.close()


def network():
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def snapshot(module, optimizer):
    """Bits of parameters and of the optimiser's state; a state that is all zeros counts as one not yet there."""
    tensors = [p.detach().clone() for p in module.parameters()]
    for p in module.parameters():
        tensors += [v.clone() for _, v in sorted(optimizer.state[p].items()) if isinstance(v, torch.Tensor) and v.any()]
    return [(t.dtype, t.shape, t.numpy().tobytes()) for t in tensors]


def step(engine, module, optimizer, scale=1.0, **clips):
    optimizer.zero_grad()
    with engine.autocast():
        loss = module(torch.ones(4, 3)).float().square().mean() * scale
    engine.backward(loss)
    engine.step(optimizer, module.parameters(), **clips)


# -- devices -------------------------------------------------------------------------------------------------------


def test_auto_finds_a_device():
    assert Engine().device.type in {"cpu", "cuda", "mps"}


@CPU_ONLY
def test_a_device_that_is_not_there_says_what_is():
    with pytest.raises(MachineError, match=r"device 'cuda' is not available on this machine; available: cpu") as caught:
        Engine(device="cuda")
    assert caught.value.exit_code == 6


def test_settings_that_do_not_exist():
    with pytest.raises(UsageError, match=r"'cdua' does not exist\. Did you mean 'cuda'"):
        Engine(device="cdua")
    with pytest.raises(UsageError, match="precision 'fp8'"):
        Engine(device="cpu", precision="fp8")
    with pytest.raises(UsageError, match="at least 1"):
        Engine(device="cpu", devices=0)
    with pytest.raises(MachineError, match="2 machines"):
        Engine(device="cpu", nodes=2)


def test_more_gpus_than_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(MachineError, match="3 cuda devices are asked for and 1 can be used"):
        Engine(device="cuda", devices=3)


@pytest.mark.parametrize(
    ("variables", "layout"),
    [
        ({"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "6"}, (2, 3)),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "1", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}, (4, 2)),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "1", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "bash"}, (1, 1)),
        ({"SLURM_NTASKS": "8"}, (1, 1)),
        ({}, (1, 1)),
    ],
)
def test_launchers_are_recognised(monkeypatch, variables, layout):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Engine(device="cpu", devices="auto")._layout == layout


def test_a_single_process_is_not_wrapped_and_collects_from_itself(engine):
    module = network()
    assert engine.setup_module(module) is module
    assert (engine.rank, engine.world_size, engine.is_main) == (0, 1, True)
    assert engine.any(True)
    assert not engine.any(False)
    assert engine.mean({"a": 1.5}) == {"a": 1.5}
    assert engine.gather_objects({"x": 1}) == [{"x": 1}]
    engine.barrier()


def test_a_single_process_does_not_import_fabric():
    code = (
        "import sys\nfrom translate.training.engine import Engine\n"
        "e = Engine(device='cpu'); e.launch(); assert 'lightning_fabric' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_deterministic_is_set_and_restored():
    assert not torch.are_deterministic_algorithms_enabled()
    engine = Engine(device="cpu", deterministic=True)
    engine.launch()
    try:
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        engine.close()
    assert not torch.are_deterministic_algorithms_enabled()


# -- steps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", OPTIMIZERS, ids=str)
def test_a_step_is_the_optimizers_own_step(engine, settings):
    ours, theirs = network(), network()
    a, b = (build_optimizer(settings, m.parameters(), lr=0.1) for m in (ours, theirs))
    for _ in range(3):
        step(engine, ours, a)
        b.zero_grad()
        theirs(torch.ones(4, 3)).square().mean().backward()
        b.step()
    assert snapshot(ours, a) == snapshot(theirs, b)
    assert engine.read_skips() == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("settings", OPTIMIZERS, ids=str)
def test_a_gradient_that_is_not_finite_changes_nothing(engine, settings, bad):
    clean, hit = network(), network()
    a, b = (build_optimizer(settings, m.parameters(), lr=0.1) for m in (clean, hit))
    for scale in (bad, 1.0, bad, bad, 1.0, 1.0):  # also in the very first step
        before = snapshot(hit, b)
        step(engine, hit, b, scale=scale)
        if scale != 1.0:
            assert snapshot(hit, b) == before
        else:
            step(engine, clean, a)
            assert snapshot(hit, b) != before
    assert snapshot(hit, b) == snapshot(clean, a)


@pytest.mark.parametrize("clips", [{"clip_value": 0.1}, {"clip_norm": 0.1}, {"clip_value": 0.1, "clip_norm": 0.1}])
def test_clipping_does_not_hide_a_gradient_that_is_not_finite(engine, clips):
    module = network()
    optimizer = build_optimizer({}, module.parameters(), lr=0.1)
    before = snapshot(module, optimizer)
    step(engine, module, optimizer, scale=float("inf"), **clips)
    assert snapshot(module, optimizer) == before
    assert engine.read_skips() == 1


def test_one_bad_value_among_many_is_enough(engine):
    module = network()
    optimizer = build_optimizer({}, module.parameters(), lr=0.1)
    for p in module.parameters():
        p.grad = torch.ones_like(p)
    module.bias.grad[1] = float("-inf")
    before = snapshot(module, optimizer)
    engine.step(optimizer, module.parameters())
    assert snapshot(module, optimizer) == before


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_no_step_though_its_gradients_are(engine, bad):
    module = network()
    optimizer = build_optimizer({}, module.parameters(), lr=0.1)
    for p in module.parameters():
        p.grad = torch.ones_like(p)
    before = snapshot(module, optimizer)
    assert bool(engine.step(optimizer, module.parameters(), losses=[torch.tensor(1.0), torch.tensor(bad)]))
    assert snapshot(module, optimizer) == before
    assert engine.read_skips() == 1
    assert not bool(engine.step(optimizer, module.parameters(), losses=[torch.tensor(3e38)] * 2))
    assert snapshot(module, optimizer) != before


def test_large_gradients_are_finite(engine):
    module = network()
    optimizer = build_optimizer({}, module.parameters(), lr=0.1)
    for p in module.parameters():
        p.grad = torch.full_like(p, 3e38)  # their sum and their 2-norm overflow
    before = snapshot(module, optimizer)
    engine.step(optimizer, module.parameters())
    assert snapshot(module, optimizer) != before


def test_clipping_bounds_the_gradients(engine):
    module = network()
    optimizer = build_optimizer({"name": "sgd"}, module.parameters(), lr=1.0)
    for clips, expected in [({"clip_value": 0.5}, 0.5), ({"clip_norm": 2.0}, 2.0 / 8**0.5)]:
        for p in module.parameters():
            p.grad = torch.full_like(p, 7.0)
        before = module.bias.detach().clone()
        engine.step(optimizer, module.parameters(), **clips)
        assert (before - module.bias).tolist() == pytest.approx([expected] * 2, rel=1e-4)


def test_parameters_without_a_gradient_are_left_alone(engine):
    module = network()
    optimizer = build_optimizer({}, module.parameters(), lr=0.1)
    before = snapshot(module, optimizer)
    engine.step(optimizer, module.parameters())
    assert snapshot(module, optimizer) == before
    module.bias.grad = torch.ones(2)
    engine.step(optimizer, module.parameters())
    assert snapshot(module, optimizer)[0] == before[0]
    assert snapshot(module, optimizer)[1] != before[1]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_parameters_that_join_later_have_their_first_step_then(engine, momentum):
    """A growing network: some weights get no gradient at first."""
    module = network()
    optimizer = build_optimizer({"name": "sgd", "momentum": momentum}, module.parameters(), lr=0.5)
    module.bias.grad = torch.ones(2)
    engine.step(optimizer, module.parameters())
    before = module.weight.detach().clone()
    module.weight.grad = torch.ones(2, 3)
    engine.step(optimizer, module.parameters())
    assert torch.allclose(before - module.weight, torch.full((2, 3), 0.5))


@pytest.mark.parametrize("found", [bool, torch.tensor], ids=["on a CPU", "on a device"])
def test_the_state_of_skips_can_be_looked_at_without_reading_them_and_taken_up_again(found):
    """Process 0 alone saves: what it reads then, the others would still have to come to know."""
    counter, optimizer = SkipCounter(), torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    for skipped in (1.0, 1.0, 0.0, 1.0):
        counter.add(optimizer, found(skipped))
    assert counter.state(optimizer) == counter.state(optimizer) == (1, 2)
    other = SkipCounter()
    other.restore(optimizer, 1, 2, torch.device("cpu"))
    other.add(optimizer, True)
    assert other.state(optimizer) == (2, 2)
    assert counter.read(optimizer) == 2
    assert counter.state(optimizer) == (1, 1)


def test_skips_in_a_row_are_counted_for_each_optimizer(engine):
    first, second = network(), network()
    a, b = (build_optimizer({}, m.parameters(), lr=0.1) for m in (first, second))
    nan = float("nan")
    for scale in (nan, nan, 1.0, nan):
        step(engine, first, a, scale=scale)
        step(engine, second, b)  # a healthy one beside it does not hide it
    assert engine.read_skips(a) == 2
    assert engine.read_skips(b) == 0
    assert engine.read_skips() == 1  # since the last reading: the one that still goes on
    step(engine, first, a, scale=nan)
    assert engine.read_skips() == 2
    step(engine, first, a)
    assert engine.read_skips() == 2  # was still going on at the last reading
    assert engine.read_skips() == 0


def test_nothing_is_read_from_the_device_in_a_step(monkeypatch):
    monkeypatch.setattr("translate.training.engine.non_finite", non_finite_there)
    engine = Engine(device="cpu")
    module = network()
    optimizer = build_optimizer({}, module.parameters(), lr=0.1)
    step(engine, module, optimizer)

    def read(self):
        pytest.fail("a tensor was read on the host")

    for p in module.parameters():
        p.grad = torch.ones_like(p)
    for name in ("item", "__bool__", "tolist", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, name, read)
    engine.step(optimizer, list(module.parameters()), clip_norm=1.0, clip_value=1.0)


# -- precision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_computes_in_the_precision_and_keeps_the_weights(precision, dtype):
    engine = Engine(device="cpu", precision=precision)
    module = engine.setup_module(network())
    with engine.autocast():
        assert module(torch.ones(1, 3)).dtype == dtype
    assert module.weight.dtype == torch.float32


def test_a_forward_without_gradient_does_not_cost_a_later_one_its_gradient():
    engine = Engine(device="cpu", precision="bf16")
    module = network()
    with engine.autocast():
        with torch.no_grad():
            module(torch.ones(1, 3))
        loss = module(torch.ones(1, 3)).float().sum()
    engine.backward(loss)
    assert module.weight.grad is not None


@pytest.mark.parametrize("fused", [None, False])
def test_fp16_scales_and_unscales(fused):
    engine = Engine(device="cpu", precision="fp16")
    module, reference = network(), network()
    optimizer = build_optimizer({"name": "sgd", "fused": fused}, module.parameters(), lr=0.1)
    tiny = 1e-7  # a gradient of this size is 0 in fp16 unless it is scaled
    optimizer.zero_grad()
    x = torch.ones(1, 3)
    with engine.autocast():
        loss = module(x).float().sum() * tiny
    engine.backward(loss)
    engine.step(optimizer, module.parameters())
    assert module.bias.grad.tolist() == pytest.approx([tiny] * 2, rel=1e-2)
    assert not torch.equal(module.weight, reference.weight)


def test_fp16_skips_and_lowers_the_scale_then_goes_on():
    engine = Engine(device="cpu", precision="fp16")
    module = network()
    optimizer = build_optimizer({}, module.parameters(), lr=0.1)
    step(engine, module, optimizer)
    scale = engine.state_dict()["scaler"]["scale"]
    before = snapshot(module, optimizer)
    step(engine, module, optimizer, scale=float("inf"))
    assert snapshot(module, optimizer) == before
    assert engine.state_dict()["scaler"]["scale"] == scale / 2
    assert engine.read_skips() == 1
    step(engine, module, optimizer)
    assert snapshot(module, optimizer) != before


def test_fp16_state_comes_back():
    engine, other = Engine(device="cpu", precision="fp16"), Engine(device="cpu", precision="fp16")
    module = network()
    optimizer = build_optimizer({}, module.parameters(), lr=0.1)
    for scale in (float("inf"), 1.0, 1.0):
        step(engine, module, optimizer, scale=scale)
    state = engine.state_dict()
    assert state["scaler"]["_growth_tracker"] == 2
    assert all(type(value) in {int, float} for value in state["scaler"].values())
    other.load_state_dict(state)
    assert other.state_dict() == state
    step(other, module, optimizer)
    assert other.state_dict()["scaler"]["_growth_tracker"] == 3
    Engine(device="cpu").load_state_dict(state)  # fp32 needs none of it
    other.load_state_dict(Engine(device="cpu").state_dict())


def test_fp16_refuses_two_backwards_before_two_steps():
    engine = Engine(device="cpu", precision="fp16")
    first, second = network(), network()
    a, b = (build_optimizer({}, m.parameters(), lr=0.1) for m in (first, second))
    for module in (first, second):
        engine.backward(module(torch.ones(1, 3)).sum())
    engine.step(a, first.parameters())
    with pytest.raises(RuntimeError, match="before the next optimizer's backward"):
        engine.step(b, second.parameters())


def test_fp16_accumulates():
    engine = Engine(device="cpu", precision="fp16")
    module = network()
    optimizer = build_optimizer({"name": "sgd"}, module.parameters(), lr=0.1)
    for _ in range(2):
        engine.backward(module(torch.ones(1, 3)).sum())
    engine.step(optimizer, module.parameters())
    assert module.bias.grad.tolist() == [2.0, 2.0]


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nlong text"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    ],
    ids=repr,
)
def test_memory_that_runs_out_is_a_machine_error(error):
    with pytest.raises(MachineError, match="out of memory") as caught, translated_errors("training", "halve it"):
        raise error
    assert (caught.value.where, caught.value.fix) == ("training", "halve it")
    assert "\n" not in caught.value.what
    assert caught.value.__cause__ is error


def test_a_real_refusal_of_the_allocator_is_recognised():
    with pytest.raises(MachineError), translated_errors("training", "halve it"):
        torch.empty(1 << 60, dtype=torch.uint8)


def test_an_operation_without_a_deterministic_form_is_named():
    error = RuntimeError("reflection_pad2d_backward_cuda does not have a deterministic implementation, but you set")
    with pytest.raises(ComponentError, match="reflection_pad2d_backward_cuda") as caught, translated_errors("a", "b"):
        raise error
    assert "deterministic: false" in caught.value.fix


def test_memory_that_runs_out_in_a_component_is_not_the_components_failure():
    with pytest.raises(MachineError, match="can't allocate"), translated_errors("training", "halve it"):
        raise PluginError("network 'G' failed") from RuntimeError("DefaultCPUAllocator: can't allocate memory")
    with pytest.raises(PluginError), translated_errors("training", "halve it"):
        raise PluginError("network 'G' failed") from RuntimeError("shapes")
    with pytest.raises(PluginError), translated_errors("training", "halve it"):
        raise PluginError("network 'G' failed")


def test_what_a_single_process_refuses_together_is_raised_as_it_is(engine):
    error = UsageError("no", fix="yes")
    with pytest.raises(UsageError) as caught, engine.together():
        raise error
    assert caught.value is error
    with engine.together():
        pass


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"), translated_errors("a", "b"):
        raise RuntimeError("shapes")


def test_the_generators_are_the_engines(engine):
    engine.seed(5)
    state = engine.rng_state()
    first = torch.rand(2)
    engine.set_rng_state(state)
    assert torch.equal(torch.rand(2), first)


# -- two processes -------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "own"])
def test_two_processes(tmp_path, launcher):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, str(WORKER), str(tmp_path)]
    if launcher == "torchrun":
        command[1:1] = [
            *("-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-addr", "127.0.0.1", "--master-port", env["MASTER_PORT"]),
        ]
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    left = ["0", "1"] if launcher == "torchrun" else ["0", "1", "end"]
    assert sorted(p.name for p in tmp_path.iterdir()) == left, result.stderr[-3000:]
    assert (tmp_path / "0").read_text() == (tmp_path / "1").read_text()
