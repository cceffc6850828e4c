"""Devices, processes, precision and guarded optimisation steps.

The only module that knows lightning-fabric, which starts the processes and joins them; it is imported only when there
is more than one (its import takes seconds). Everything else is plain torch, so that nothing of Fabric reaches a plugin.

A step never waits for a GPU: a gradient or loss that is not finite makes the fused optimisers skip their own step there
(their `found_inf` argument), and the count of skipped steps stays there until `Engine.read_skips`. Optimisers without
that argument are asked on the host.
"""

from __future__ import annotations

import logging
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from translate.errors import MachineError, TranslateError, UsageError
from translate.generators import seed_all
from translate.training import randomness
from translate.training.collectives import average_gradients, broadcast_module
from translate.training.fate import Fate, exchanging
from translate.training.guard import SkipCounter, guarded_step, non_finite, skipped
from translate.training.machine import choose_device, layout, translated_errors

__all__ = ["Engine", "Precision", "translated_errors"]

Precision = Literal["fp32", "bf16", "fp16"]

SMALLEST_SCALE: Final = 2.0**-16
"""Of the losses with fp16: at 0, which halving comes to, every gradient would be 0 or not a number for ever."""

_GRACE: Final = 10.0  # seconds that further processes have to end when this one ends

_DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Engine:
    """What one process of a training needs from the machine. Call `launch` before anything else but the constructor.

    Args:
        device: `auto` takes a GPU where there is one.
        devices: Processes on this machine, one device each. `auto` takes all GPUs; on a CPU, one.
        nodes: Machines. More than one needs a launcher (torchrun, SLURM).
        precision: Of the arithmetic in `autocast`. Parameters stay in fp32.
        deterministic: Only algorithms that give the same bits again; slower on a GPU.

    Raises:
        MachineError: The device is not there; says what is.
        UsageError: A setting has no such value.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        devices: int | Literal["auto"] = 1,
        nodes: int = 1,
        precision: Precision = "fp32",
        deterministic: bool = False,
    ) -> None:
        if precision not in _DTYPES:
            raise UsageError(f"precision '{precision}' does not exist", fix=f"one of {', '.join(_DTYPES)}")
        self.precision: Precision = precision
        self.deterministic = deterministic
        self.rank = 0
        self.world_size = 1
        kind = choose_device(device)
        self._layout = layout(kind, devices, nodes)
        self._device = torch.device(kind, 0) if kind == "cuda" else torch.device(kind)
        self._scaler = torch.amp.GradScaler(kind) if precision == "fp16" else None
        self._scaled = False  # a backward happened since the last step (fp16)
        self._skips = SkipCounter()
        self._restore: dict[str, Any] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        self._fate: Fate | None = None

    @property
    def device(self) -> torch.device:
        """This process's device."""
        return self._device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def launch(self) -> None:
        """Start or join the other processes, and set what holds for the whole process.

        Under torchrun or SLURM this process joins as one of theirs. Otherwise, with several devices, the running
        command is started again once for each further device.
        """
        processes, nodes = self._layout
        if processes * nodes > 1:
            self._join(processes, nodes)
        self._set_global_choices()

    def close(self) -> None:
        """Leave the group of processes, end those that `launch` started, and restore the choices that it made."""
        self._leave()
        self._end_started()
        if self._restore:
            torch.use_deterministic_algorithms(self._restore["deterministic"])
            torch.backends.cudnn.benchmark = self._restore["benchmark"]
            self._restore = {}

    def shared_fate(self) -> AbstractContextManager[None]:
        """What ends this block in one process ends it in all, with one message (see `translate.training.fate`)."""
        return nullcontext() if self._fate is None else self._fate.shared(self._leave)

    def setup_module(self, module: nn.Module) -> nn.Module:
        """Move a network to the device; with several processes, give it the weights of process 0.

        The network itself is returned, never a wrapper: `step` averages the gradients. Buffers are not synchronised
        afterwards (each process's are saved; an export takes process 0's).
        """
        module = module.to(self._device)
        if self.world_size > 1:
            broadcast_module(module)
        return module

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which networks and losses are computed."""
        # No cache of cast weights: CUDA graphs cannot use it, and a copy that was made under no_grad and is used again
        # where a gradient is wanted would lose it.
        enabled = self.precision != "fp32"
        dtype = _DTYPES[self.precision] if enabled else None
        return torch.autocast(self._device.type, dtype=dtype, enabled=enabled, cache_enabled=False)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, scaled for fp16. Then step its optimiser before another one's backward."""
        self._scaled = True
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]

    def step(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: Iterable[nn.Parameter],
        *,
        losses: Sequence[Tensor] = (),
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip: Tensor | None = None,
        before_clipping: Callable[[], None] | None = None,
    ) -> Tensor | bool:
        """Move the parameters, unless a gradient or a loss is not finite: then neither they nor the optimiser change.

        With several processes the gradients are averaged first, so that all of them take, or skip, the same step.

        Gradients are left for the caller to clear. Parameters without a gradient are left alone.

        Args:
            optimizer: Built by `translate.optimizers.build_optimizer`.
            parameters: The parameters it moves.
            losses: What the gradients were computed of. A loss can overflow and have finite gradients.
            clip_norm: Scale the gradients so that their common 2-norm is at most this.
            clip_value: Clamp each gradient to [-clip_value, clip_value] (before `clip_norm`).
            skip: A truth value on the device: leave the step out on purpose. It is not counted among the skips.
            before_clipping: Called when the gradients are averaged, unscaled and not clipped yet, to look at them.

        Returns:
            Whether the step was left out: where that was decided, on the device or here.

        Raises:
            RuntimeError: With fp16, no backward since the last step: its scale would be another one.
        """
        moved = [p for p in parameters if p.grad is not None]
        if not moved:
            return False
        if self.world_size > 1:
            average_gradients(moved)
        if self._scaler is not None:
            if not self._scaled:
                msg = "with fp16, step an optimizer after its backward and before the next optimizer's backward"
                raise RuntimeError(msg)
            self._scaler.unscale_(optimizer)
        judged = [p.grad for p in moved if p.grad is not None]
        if losses:  # of all processes, which must take or skip the same step
            judged.append(self.average(torch.stack([loss.detach() for loss in losses])))
        found = non_finite(judged)
        if before_clipping is not None:
            before_clipping()
        if clip_value is not None:
            nn.utils.clip_grad_value_(moved, clip_value)
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(moved, clip_norm)
        self._skips.add(optimizer, found)
        left_out = found if skip is None else skipped(found, skip)
        guarded_step(optimizer, left_out)
        self._scaled = False
        if self._scaler is not None:
            self._scaler.update()
            scale: Tensor = self._scaler._scale  # type: ignore[assignment]  # noqa: SLF001  # there is no public way
            scale.clamp_(min=SMALLEST_SCALE)
        return left_out

    def read_skips(self, optimizer: torch.optim.Optimizer | None = None) -> int:
        """The longest run of skipped steps in a row since the last reading; waits for the device.

        A run that still goes on is counted from its beginning, also across readings. With fp16 the first steps are
        skipped regularly, until the scale has found its size.

        Args:
            optimizer: Only of this one (None: the worst of all).
        """
        return self._skips.read(optimizer)

    def state_of_skips(self, optimizer: torch.optim.Optimizer) -> tuple[int, int]:
        """Skipped steps of an optimiser in a row up to now, and the most since `read_skips`; waits for the device."""
        return self._skips.state(optimizer)

    def restore_skips(self, optimizer: torch.optim.Optimizer, run: int, longest: int) -> None:
        """Go on with the skipped steps of a training that was stopped, as `state_of_skips` gave them."""
        self._skips.restore(optimizer, run, longest, self._device)

    @property
    def loss_scale(self) -> float | None:
        """The factor of the losses with fp16 (None without); waits for the device."""
        return None if self._scaler is None else float(self._scaler.get_scale())

    @exchanging
    def barrier(self) -> None:
        """Wait for all processes."""
        if self.world_size > 1:
            dist.barrier()

    @exchanging
    def average(self, value: Tensor) -> Tensor:
        """A tensor's mean over all processes, on the device; all must call it."""
        if self.world_size > 1:
            value = value.clone()
            dist.all_reduce(value)
            value /= self.world_size
        return value

    @exchanging
    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all must call it."""
        if self.world_size == 1:
            return flag
        tensor = torch.tensor(int(flag), device=self._device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return bool(tensor.item())

    @exchanging
    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Averages over all processes; all must call it with the same names."""
        if self.world_size == 1 or not values:
            return dict(values)
        names = sorted(values)
        tensor = torch.tensor([values[name] for name in names], dtype=torch.float64, device=self._device)
        dist.all_reduce(tensor)
        averages = dict(zip(names, (tensor / self.world_size).tolist(), strict=True))
        return {name: averages[name] for name in values}

    @exchanging
    def gather_objects(self, value: Any) -> list[Any]:
        """The values of all processes by rank, in every process; all must call it."""
        if self.world_size == 1:
            return [value]
        gathered: list[Any] = [None] * self.world_size
        dist.all_gather_object(gathered, value)
        return gathered

    @contextmanager
    def together(self) -> Iterator[None]:
        """What one process refuses within the block, all refuse: none waits for one that has left. All must enter it.

        Raises:
            TranslateError: This process's own, or that of the first that has one.
        """
        error: TranslateError | None = None
        try:
            with nullcontext() if self._fate is None else self._fate.undisturbed():
                yield
        except TranslateError as exc:
            error = exc
        for rank, found in enumerate(self.gather_objects(error)):
            if found is not None:
                found.rank = rank
                raise error or found

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the loss scale."""
        return {"scaler": {} if self._scaler is None else self._scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned, as far as this precision needs it.

        Raises:
            ValueError: It is no such state: what the scaler itself does not look at.
        """
        if self._scaler is not None and state.get("scaler"):
            for key, value in state["scaler"].items():
                if type(value) not in {int, float} or not (math.isfinite(value) and value >= 0):
                    msg = f"the scale of the losses has no '{key}' of {value!r}"
                    raise ValueError(msg)
            self._scaler.load_state_dict(dict(state["scaler"]))

    def seed(self, seed: int) -> None:
        """Seed Python, numpy and torch; each process draws its own numbers, process 0 those of a single one."""
        seed_all(seed, self.rank)

    def rng_state(self) -> dict[str, Any]:
        """The states of all global generators of this process, as tensors and plain numbers."""
        return randomness.rng_state()

    def set_rng_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `rng_state` returned; generators of devices that are not here are left out."""
        randomness.set_rng_state(state)

    def _join(self, processes: int, nodes: int) -> None:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies.ddp import DDPStrategy

        kind = self._device.type
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its banners would stand before what we say
        try:
            fabric = Fabric(accelerator=kind, devices=processes, num_nodes=nodes, strategy=DDPStrategy())
            fabric.launch()
        except (ValueError, dist.DistError) as exc:
            raise MachineError(
                f"the processes cannot be started or joined: {exc}", fix="check training.devices and training.nodes"
            ) from exc
        self.rank, self.world_size, self._device = fabric.global_rank, fabric.world_size, fabric.device
        watched = getattr(fabric.strategy.launcher, "procs", [])
        self._started = list(watched)
        watched.clear()  # or Fabric's thread would kill this process, without a word, when one of them ends with a code
        if self.world_size > 1:
            self._fate = Fate(self.rank, self.world_size)

    def _leave(self) -> None:
        if self.world_size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def _end_started(self) -> None:
        """Wait for the processes that this one started; one that hangs, in an exchange with nobody, is killed."""
        deadline = time.monotonic() + _GRACE
        for process in self._started:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _set_global_choices(self) -> None:
        self._restore = {
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "benchmark": torch.backends.cudnn.benchmark,
        }
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
            torch.use_deterministic_algorithms(True)
            torch.backends.cudnn.benchmark = False
        elif self._device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        if self._device.type == "cuda":
            torch.cuda.set_device(self._device)
