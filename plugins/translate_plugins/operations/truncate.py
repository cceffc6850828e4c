"""Truncation of style codes towards their mean."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from translate.errors import ComponentError


class Truncate(nn.Module):
    """The truncation trick in W (Karras et al. 2018, arXiv 1812.04948, section 2.1 and appendix B).

    In training the codes pass as they are, and their mean over all batches is gathered: mean <- decay x mean + (1 -
    decay) x mean of the batch, the first batch's mean at the start. Outside training the result is mean + psi x (w -
    mean): psi = 1 changes nothing, psi = 0 is the mean for every code, and between them variety is traded for
    quality. So it belongs into the flow, between the mapping network and the generator: `w: truncate(M(z), psi)`.
    psi is a number, a schedule, or a latent such as `psi: {latent: constant, value: 0.7}`, which an exported file has
    as an input. The mean is part of the checkpoint and of the exported file. Until there is one, codes pass.

    The authors truncate only the styles of coarse layers, up to 32 x 32; `G(truncate(w, psi), w, cut)` does so. Their
    mean starts at 0 (here at the first batch's mean, so that a short training has no bias) and is, as here, that of
    the learning mapping network where its weights are averaged.

    Args:
        decay: Weight of the past in the mean; 0.995 in the authors' code.

    Shape:
        N x size and a number or N x 1 -> N x size.
    """

    part_of_model = True
    mean: Tensor

    def __init__(self, *, decay: Annotated[float, Field(ge=0, lt=1)] = 0.995) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.empty(0))  # its length says whether there is one, without asking the device

    def forward(self, codes: Tensor, psi: Tensor | float, /) -> Tensor:
        """Gather the mean and pass the codes, or move them towards it.

        Raises:
            ComponentError: The codes are no vectors, or of another size than before.
        """
        if codes.ndim != 2:
            raise ComponentError(
                f"truncate takes vectors (got a value of {codes.ndim - 1} dimensions)", fix="write truncate(M(z), 0.7)"
            )
        if codes.is_meta:
            return codes
        if len(self.mean) not in {0, codes.shape[1]}:
            raise ComponentError(
                f"truncate has gathered the mean of codes of {len(self.mean)} numbers (got {codes.shape[1]})",
                fix="give each mapping network a truncation of its own",
            )
        if self.training:
            self._gather(codes.detach().float())
            return codes
        if not len(self.mean):
            return codes
        mean = self.mean.to(codes.dtype)
        return mean + psi * (codes - mean)

    def _gather(self, codes: Tensor) -> None:
        mean = codes.mean(0)
        self.mean = self.mean.to(mean.device).lerp(mean, 1.0 - self.decay) if len(self.mean) else mean

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # The stored length is that of the saved run, not of this new module.
        stored = state_dict.get(f"{prefix}mean")
        if stored is not None:
            self.mean = torch.empty_like(stored, device=self.mean.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
