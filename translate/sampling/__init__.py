"""Pictures from latents: grids, sweeps, interpolations, from a run or from an exported file.

Everything is said in the names of an export's inputs; no model is known here. Latents are drawn by numpy, by the laws
that the export states of itself, from (seed, number of the draw, name of the input): a run and the file exported from
it get the same values, and so their pictures differ by rounding alone (what `translate export` measured: at most one
level of 255, in few values). Another version of numpy may draw others. Latents of a law that only their component knows
are drawn by the component, with torch, from the same three: from a run the same each time, and from a file not at all.

Importing this, and sampling from a file, never imports torch.
"""

from __future__ import annotations

from translate.sampling.sampler import Sampled, sample

__all__ = ["Sampled", "sample"]
