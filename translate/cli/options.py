"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

ExternalData = Annotated[
    bool,
    typer.Option("--external-data", help="Also read weights from files beside it, as a file above 1.5 GB has them."),
]
