"""Texts that leave the house, without the places, the user and the host they come from."""

from __future__ import annotations

import getpass
import re
import socket
from typing import Final

_PACKAGES: Final = ("site-packages", "translate", "translate_plugins", "translate_datasets")
_FEW: Final = 4
"""Letters of the shortest name that is looked for: a shorter one would be found in other words."""

_NOBODYS: Final = frozenset({"root", "user", "admin", "runner", "ubuntu", "localhost"})
"""Names that tell nothing, and are words of other meanings too."""

# A traceback names a file between quotes, so that a space in it does no harm; elsewhere a path ends at a space.
_IN_TRACEBACK: Final = re.compile(r'(?<=File ")(?:/|[A-Za-z]:[\\/])[^"\n]+(?=")')
_END: Final = r"\s\"'`:;,<>|()\\/"
_PATH: Final = re.compile(rf"(?<![\w.:/\\~…)\]}}])(?:~?/|~?\\\\|[A-Za-z]:[\\/])(?:[^{_END}]+[\\/]+)*[^{_END}]+")


def without_places(text: str) -> str:
    """The text with absolute paths cut to their last part (in tracebacks: to the part below the package).

    Names of the user and of the host are replaced too.

    >>> without_places("cannot read /home/somebody/photos/1.png")
    'cannot read …/1.png'
    """
    text = _IN_TRACEBACK.sub(lambda found: _below_package(found[0]), text)
    text = _PATH.sub(lambda found: _last(found[0]), text)
    for name, stands_in in ((_user(), "USER"), (socket.gethostname(), "HOST")):
        if len(name) >= _FEW and name not in _NOBODYS:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", stands_in, text)
    return text


def _below_package(path: str) -> str:
    parts = re.split(r"[\\/]+", path)
    for package in _PACKAGES:
        if package in parts[:-1]:
            start = parts.index(package) + (package == "site-packages")
            return "…/" + "/".join(parts[start:])
    return f"…/{parts[-1]}"


def _last(path: str) -> str:
    parts = [part for part in re.split(r"[\\/]+", path) if part not in {"", "~"}]
    return f"…/{parts[-1]}" if parts else path


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, or a system without users
        return ""
