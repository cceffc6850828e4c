"""The fixed preview inputs, evaluated in the inference form."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from translate.data.stream import Stream
from translate.errors import DataError
from translate.generators import seeded, undisturbed
from translate.pipeline.computing import evaluate
from translate.pipeline.expressions import to_text
from translate.pipeline.game import Game
from translate.pipeline.inference_form import inference_networks
from translate.pipeline.opening import open_stream
from translate.specs import Image


class Preview:
    """Evaluates the pipeline's `preview` expressions for the same few examples each time.

    The examples are the first of the validation split, of the test split where there is none, else of the training
    split. Global random numbers are left as they were found.

    Args:
        game: The built pipeline.
        stream: The training stream, if there is no other split.
        device: Where the networks are.
    """

    def __init__(self, game: Game, stream: Stream, device: torch.device) -> None:
        self._game, self._device = game, device
        pipeline = game.pipeline
        self._nodes = {
            to_text(expression): game.add(expression, ("preview", index))
            for index, expression in enumerate(pipeline.preview)
        }
        self._inputs: dict[str, torch.Tensor] = {}
        if self._nodes:
            count = pipeline.training.preview_count
            generator = torch.Generator(device=device).manual_seed(pipeline.training.seed)
            with undisturbed():
                self._inputs = self._examples(stream, count)
                for name, latent in game.latents.items():
                    self._inputs[name] = latent.sample(count, generator=generator, device=device)

    def _examples(self, stream: Stream, count: int) -> dict[str, torch.Tensor]:
        for split in ("val", "test"):
            try:
                found = open_stream(self._game.pipeline, split, batch_size=1)
                return self._first(found, count)
            except DataError:
                continue
        return self._first(stream, count)

    def _first(self, stream: Stream, count: int) -> dict[str, torch.Tensor]:
        batch = stream.examples([index % len(stream) for index in range(count)])
        return {name: value.to(self._device) for name, value in batch.items()}

    def pictures(self, networks: Mapping[str, nn.Module], step: int) -> dict[str, torch.Tensor]:
        """The preview expressions that are images, by their text: N x C x H x W in [0, 1], on the CPU."""
        if not self._nodes:
            return {}
        game = self._game
        with seeded(game.pipeline.training.seed), torch.no_grad():
            needed = frozenset[str]().union(*(game.graphs[-1].nodes[index].networks for index in self._nodes.values()))
            ready = inference_networks(
                {name: networks[name] for name in networks if name in needed}, game.pipeline.inference
            )
            values = evaluate(game, list(self._nodes.values()), self._inputs, networks=ready, step=step)
        shown = {}
        for text, value in zip(self._nodes, values, strict=True):
            if isinstance(value, torch.Tensor) and value.ndim == 4:
                low, high = self._range(text)
                shown[text] = ((value.float() - low) / (high - low)).clamp(0, 1).cpu()
        return shown

    def _range(self, text: str) -> tuple[float, float]:
        """The value range of a picture: its field's own, else the pipeline's."""
        spec = self._game.fields.get(text)
        if isinstance(spec, Image):
            return spec.low, spec.high
        low, high = self._game.pipeline.data.value_range
        return low, high
