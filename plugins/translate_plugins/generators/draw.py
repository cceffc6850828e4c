"""The generator of DRAW: an autoencoder that draws an image in several steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Image, Spec, Vector
from translate.errors import ComponentError
from translate_plugins.gaussian_codes import sample_of
from translate_plugins.generators.draw_attention import Read, Write
from translate_plugins.layers import Join, Width

Grid = Annotated[int, Field(ge=2)] | None


def draw(
    *inputs: Spec, makes: Image, glimpses: Width = 64, hidden: Width = 256, read: Grid = 2, write: Grid = 5
) -> nn.Module:
    """The recurrent autoencoder of DRAW (Gregor et al. 2015, arXiv 1502.04623), called in two ways.

    `drawn: G(z, image)` encodes and redraws (equations 3 to 8): in each of T steps the encoder reads a glimpse of the
    image and of what is still missing, x - sigmoid(canvas), a code is sampled, and the decoder adds a patch to the
    canvas. `drawn.logits` is the last canvas, for the loss `bernoulli`; `drawn.code` holds the means of all steps, then
    their log variances, so that the loss `kl` of it is the sum over the steps of their divergences (equation 10).
    `made: G(z)` draws from noise alone (section 2.3), by the same decoder: `made.logits`. sigmoid(...) makes pictures
    of logits.

    Labels and vectors, `G(z, image, label)` and `G(z, label)`, are joined to what encoder and decoder get in each step:
    a drawing of what is asked for, as in a conditional VAE (Sohn et al. 2015, section 4). The prior of the codes stays
    that of the noise, so that `kl` is the same and the bound one of log p(image | label). The paper's model has none.

    The noise z holds that of all steps, one after the other: fresh noise for every glimpse. Its length divided by
    `glimpses` is the length of a step's code. What is learned beside the weights: the first canvas and the first
    outputs of encoder and decoder, from 0 (section 2.1); the memories of both begin at 0. The sampled code's deviation
    is exp(log variance / 2), where the paper has the exponential of the output itself.

    Args:
        *inputs: The noise, a vector; the image in a call that encodes; and labels and vectors in every call.
        makes: What to draw: the data's field of images, with the size of the images that are encoded.
        glimpses: T, the number of steps; 64 in the paper's table 3 for MNIST.
        hidden: Outputs of each LSTM; 256 there.
        read: Side of the grid that reads, at least 2; 2 there. null reads all of the image, without attention.
        write: Side of the patch that is written, at least 2; 5 there. null writes all of it.

    Shape:
        N x (T x code), N x C x H x W -> {"logits": N x C x H x W, "code": N x (2 x T x code)}; without an image
        {"logits": ...} alone.

    Raises:
        ComponentError: The inputs are others, or the noise has no equal share for every step.
    """
    noise = inputs[0] if inputs else None
    images = [spec for spec in inputs[1:] if len(spec.shape) == 3]
    fitting = [spec.shape for spec in images] in ([], [makes.shape])
    if not isinstance(noise, Vector) or not fitting or not isinstance(makes, Image):
        raise ComponentError(
            f"draw takes noise, or noise and an image of the size that it makes, {makes}, and labels and vectors (got "
            f"{', '.join(map(str, inputs)) or 'nothing'})",
            fix="call it as G(z, image) and as G(z), with `makes: image`",
        )
    if noise.size % glimpses:
        raise ComponentError(
            f"draw needs as much noise for every one of {glimpses} glimpses (got {noise.size} numbers)",
            fix=f"set the latent's size to a multiple of {glimpses}",
        )
    shape = (makes.channels, makes.height, makes.width)
    conditions = [spec for spec in inputs[1:] if spec not in images]
    joined = Join("draw", conditions, images=False) if conditions else None
    return Draw(shape, glimpses, noise.size // glimpses, hidden, read, write, joined)


class Draw(nn.Module):
    """The network behind `draw`.

    Args:
        shape: Channels, height and width of the images.
        glimpses: Number of steps.
        code: Length of a step's code.
        hidden: Outputs of each LSTM.
        read: Side of the grid that reads, or None.
        write: Side of the patch that is written, or None.
        joined: Joins the labels and vectors, if there are any.
    """

    not_weights = ("canvas",)

    def __init__(
        self,
        shape: tuple[int, int, int],
        glimpses: int,
        code: int,
        hidden: int,
        read: int | None,
        write: int | None,
        joined: Join | None,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        self.glimpses, self.joined = glimpses, joined
        more = 0 if joined is None else joined.channels
        self.read = Read(hidden, 2 * channels, height, width, read)
        self.write = Write(hidden, channels, height, width, write)
        self.encoder = nn.LSTMCell(self.read.size + hidden + more, hidden)
        self.to_code = nn.Linear(hidden, 2 * code)
        self.decoder = nn.LSTMCell(code + more, hidden)
        self.canvas = nn.Parameter(torch.zeros(shape))
        self.encoded = nn.Parameter(torch.zeros(hidden))
        self.decoded = nn.Parameter(torch.zeros(hidden))

    def forward(self, noise: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Redraw an image, or draw from noise.

        Raises:
            ComponentError: Other labels and vectors than the network was built for.
        """
        image = next((value for value in inputs if value.ndim == 4), None)
        given = self._conditions([value for value in inputs if value is not image])
        count = noise.shape[0]  # not len(): an exported file is free in it
        canvas = self.canvas.expand(count, -1, -1, -1)
        encoded, decoded = (_start(first, count) for first in (self.encoded, self.decoded))
        shares = noise.chunk(self.glimpses, dim=1)
        if image is None:  # no step looks at the canvas, so that all are written at once
            states = []
            for step in shares:
                decoded = self.decoder(_beside(step, given), decoded)
                states.append(decoded[0])
            return {"logits": canvas + self.write(torch.stack(states, dim=1))}
        means, log_variances = [], []
        for own in shares:
            seen = self.read(torch.cat([image, image - canvas.sigmoid()], dim=1), decoded[0])
            encoded = self.encoder(_beside(seen, [decoded[0], *given]), encoded)
            mean, log_variance = self.to_code(encoded[0]).chunk(2, dim=1)
            means.append(mean)
            log_variances.append(log_variance)
            decoded = self.decoder(_beside(sample_of(mean, log_variance, own), given), decoded)
            canvas = canvas + self.write(decoded[0][:, None])
        return {"logits": canvas, "code": torch.cat([*means, *log_variances], dim=1)}

    def _conditions(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Labels and vectors as one vector, if there are any."""
        wanted = 0 if self.joined is None else len(self.joined.classes)
        if len(values) != wanted:
            raise ComponentError(
                f"draw was built for {wanted} labels and vectors beside noise and image (got {len(values)})",
                fix="give it the same ones in both calls, as G(z, image, label) and G(z, label)",
            )
        return [] if self.joined is None else [self.joined(*values)]


def _beside(first: Tensor, others: Sequence[Tensor]) -> Tensor:
    return torch.cat([first, *(value.to(first.dtype) for value in others)], dim=1) if others else first


def _start(output: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first output and memory of an LSTM."""
    first = output.expand(count, -1)
    return first, torch.zeros_like(first)
