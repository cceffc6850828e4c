"""Picture grids of the fixed preview inputs, so that the steps of a run compare at a glance."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from translate import hookimpl
from translate.disk import write_whole

if TYPE_CHECKING:
    from PIL import Image

    from translate.training.run import Run

_log = logging.getLogger(__name__)


class Samples:
    """Write `samples/000500.png`: one row for each example, one titled column for each expression of `preview`.

    Args:
        rows: How many examples are shown at most.
    """

    def __init__(self, *, rows: Annotated[int, Field(ge=1)] = 8) -> None:
        self._rows = rows
        self._warned = False

    @hookimpl
    def translate_preview_ready(self, run: Run, step: int, pictures: Mapping[str, Any]) -> None:
        """Write the grid; a disk that refuses costs the picture, not the run."""
        if not run.is_main or not pictures:
            return
        path = run.folder / "samples" / f"{step:06d}.png"
        content = io.BytesIO()
        self._draw(pictures).save(content, format="PNG")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, [content.getvalue()])
        except OSError as exc:
            if not self._warned:
                _log.warning("%s cannot be written (%s); the training goes on", path, exc.strerror or exc)
            self._warned = True

    def _draw(self, pictures: Mapping[str, Any]) -> Image.Image:
        from PIL import Image

        from translate.grids import picture_grid

        return Image.fromarray(picture_grid({name: _bytes(batch[: self._rows]) for name, batch in pictures.items()}))


def _bytes(batch: Any) -> Any:
    """An N, C, H, W tensor in [0, 1] as an N, H, W, C array in uint8; what is not a number is shown as 0."""
    values = batch.detach().float().nan_to_num(0.0).clamp(0, 1)
    return (values * 255).round().byte().permute(0, 2, 3, 1).cpu().contiguous().numpy()
