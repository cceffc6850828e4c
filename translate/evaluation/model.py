"""A trained pipeline as evaluation sees it: batches in, values of expressions out, in the inference form."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from translate.errors import NumbersError, PipelineError, did_you_mean
from translate.pipeline.computing import evaluate as compute_nodes
from translate.pipeline.expressions import Expression
from translate.pipeline.settings import Path_, Pipeline
from translate.pipeline.trees import map_tensors, tensors

if TYPE_CHECKING:
    from translate.training.opening import Opened

_TRAINING: Final = 2**31  # number of the first draw for examples that metrics learn from


class Model:
    """The networks of a run in their inference form, on a device.

    Latents are drawn for each example from a seed of its own, so that they depend neither on the batch size nor on
    how many examples are measured.

    Args:
        opened: The run.
        pipeline: Its pipeline, with the overrides of this evaluation.
        device: Where everything is computed.
    """

    def __init__(self, opened: Opened, pipeline: Pipeline, device: torch.device) -> None:
        from translate.pipeline.inference_form import inference_networks

        self.device = device
        self._game = opened.game
        self._pipeline = pipeline
        self._step = opened.step
        networks = inference_networks(opened.game.networks, pipeline.inference)
        self._networks = {name: network.to(device) for name, network in networks.items()}

    def node(self, expression: Expression, path: Path_) -> int:
        """The node of an expression, with what it depends on ready to be computed.

        Raises:
            PipelineError: It names something that is neither a field, a latent nor in the flow.
        """
        graph = self._game.graphs[-1]
        known = len(graph.problems)
        index = graph.add(expression, path)
        problems = graph.problems[known:]
        names = [*self._game.fields, *self._game.latents]
        for part in self._history([index]):
            node = graph.nodes[part]
            if node.kind == "input" and node.name not in names:
                text = f"no value is named '{node.name}'.{did_you_mean(node.name, names)} Known: {', '.join(names)}."
                problems.append(self._pipeline.problem(path, text))
            elif node.is_part_of_model and node.key not in self._game.sites:  # what a checkpoint holds was loaded
                text = f"`{node.text}` was not computed in training, where {node.name} gathers what it needs"
                problems.append(self._pipeline.problem(path, f"{text}. Use the name that it has in the flow"))
        if problems:
            raise PipelineError(problems)
        return index

    def depends(self, index: int, on: int) -> bool:
        """Whether a node is computed from another one."""
        return on in self._history([index])

    def fields(self, nodes: Iterable[int]) -> set[str]:
        """The fields of the data that nodes are computed from."""
        graph = self._game.graphs[-1]
        read = {graph.nodes[index].name for index in self._history(nodes) if graph.nodes[index].kind == "input"}
        return read & set(self._game.fields)

    def compute(
        self,
        nodes: Sequence[int],
        batch: Mapping[str, Tensor],
        examples: range,
        given: Mapping[str, Tensor] | None = None,
        *,
        training: bool = False,
    ) -> list[Any]:
        """Values of nodes for a batch, images in [0, 1] (of four dimensions; all others as they are).

        Args:
            nodes: Indices, from `node`.
            batch: Fields of the examples; none where nothing depends on them.
            examples: Indices of the examples.
            given: Flow entries that are not computed.
            training: A metric learns from these examples: latents and randomness are others than in the measuring, or
                a metric would be asked about pictures that it has learned.

        Raises:
            NumbersError: A value is not finite.
        """
        first = examples.start + (_TRAINING if training else 0)
        inputs = {**batch, **self._latents(nodes, range(first, first + len(examples))), **(given or {})}
        on_device = {name: value.to(self.device) for name, value in inputs.items()}
        devices = [self.device] if self.device.type == "cuda" else []
        # Operations with randomness draw from the global generator.
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            torch.manual_seed(self._pipeline.inference.seed + first)
            self._place_operations(nodes)
            values = compute_nodes(self._game, nodes, on_device, networks=self._networks, phase=-1, step=self._step)
        for index, value in zip(nodes, values, strict=True):
            self._check_finite(index, value, examples)
        return [map_tensors(self.to_unit, value) for value in values]

    def to_unit(self, value: Tensor) -> Tensor:
        """An image from the data's range to [0, 1], clamped; other tensors as they are."""
        value = value.detach()
        if value.ndim != 4:
            return self._for_metrics(value)
        low, high = self._pipeline.data.value_range
        return self._for_metrics(((value.float() - low) / (high - low)).clamp(0.0, 1.0))

    def _for_metrics(self, value: Tensor) -> Tensor:
        return value.cpu() if self.device.type == "mps" else value  # metrics use float64, which MPS has not

    def _latents(self, nodes: Sequence[int], draws: range) -> dict[str, Tensor]:
        needed = {self._game.graphs[-1].nodes[index].name for index in self._history(nodes)}
        result = {}
        for name in sorted(needed & set(self._game.latents)):
            seed = self._pipeline.inference.seed * 1_000_003 + zlib.crc32(name.encode())
            samples = []
            for index in draws:
                generator = torch.Generator().manual_seed((seed + index) % 2**63)
                latent = self._game.latents[name]
                samples.append(latent.sample(1, generator=generator, device=torch.device("cpu")))
            result[name] = torch.cat(samples)
        return result

    def _place_operations(self, nodes: Sequence[int]) -> None:
        for index in self._history(nodes):
            node = self._game.graphs[-1].nodes[index]
            operation = self._game.operation(node) if node.kind == "operation" else None
            if isinstance(operation, nn.Module):
                operation.to(self.device).eval()

    def _history(self, nodes: Iterable[int]) -> set[int]:
        graph = self._game.graphs[-1]
        found: set[int] = set()
        pending = list(nodes)
        while pending:
            index = pending.pop()
            if index not in found:
                found.add(index)
                node = graph.nodes[index]
                pending += [*node.inputs, *(keyword for _, keyword in node.keywords)]
        return found

    def _check_finite(self, index: int, value: Any, examples: range) -> None:
        for tensor in tensors(value):
            if not bool(torch.isfinite(tensor).all()):
                text = self._game.graphs[-1].nodes[index].text
                raise NumbersError(
                    f"`{text}` gives values that are not finite at step {self._step}",
                    where=f"examples {examples.start} to {examples.stop - 1}",
                    fix="evaluate an earlier checkpoint of this run, or train it again with a lower learning rate",
                )
