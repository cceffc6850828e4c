"""The command line: `translate COMMAND ...`, also `python -m translate`.

A command is one small file and one line in `translate.cli.commands`. Its module, and with it torch, is imported only
when that command runs: `translate --help`, `list` and `plugins` start in well under half a second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from translate.cli.app import Invocation, build_app
from translate.cli.errors import exit_code_of
from translate.errors import ANYTHING
from translate.plugin_manager import DISABLE_VARIABLE
from translate.stopping import StopRequests

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (see `translate.errors` for what the codes mean).

    Args:
        arguments: Words after `translate`; those of this process when `None`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    invocation = Invocation()
    disabled_before = os.environ.get(DISABLE_VARIABLE)
    try:
        with StopRequests("stopped; there is nothing to save yet"):
            app = build_app(invocation)
            with app.make_context("translate", words) as context:
                app.invoke(context)
            sys.stdout.flush()  # here, so that a reader who left is noticed while we can still be quiet about it
    except (*ANYTHING, KeyboardInterrupt) as exc:
        return exit_code_of(exc, invocation, words)
    finally:
        _restore(DISABLE_VARIABLE, disabled_before)
    return 0


def _restore(variable: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value
