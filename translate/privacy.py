r"""Texts that leave the house, without the places, the user and the host they come from.

What is cut is told by its form, never by its letters alone: a login such as `test` is a word of many sentences.

| form | becomes |
|---|---|
| an absolute path (`/a/b.png`, `C:\a\b.png`, `\\host\a\b.png`), also in a `file:` URL | its last part: `…/b.png` |
| a path from a home (`~/a/b.png`, `~somebody/a/b.png`), or one that climbs (`../../home/a/b.png`) | its last part |
| a home itself (`/home/somebody`) | `…/USER` |
| a path in a traceback | the part below the package |
| this user and this host in `user@host`, `host:port`, `scheme://host`, `~user`, however short | `USER`, `HOST` |
| a whole part of another path that is this user's or host's name, of four letters or more | `USER`, `HOST` |

Everything else stays: words, also where the user or the host is called so, and relative paths, such as those of
pictures below the data's folder. A text from anywhere, as that of an error that nobody foresaw, can name user and host
in a sentence too; `without_names` is for these, and cuts the words as well.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterator
from typing import Final

_PACKAGES: Final = ("site-packages", "translate", "translate_plugins", "translate_datasets")
_FEW: Final = 4
"""Letters of the shortest name that is looked for outside addresses: a shorter one would be found in other words."""

_NOBODYS: Final = frozenset({
    "root", "user", "admin", "nobody", "guest", "test", "demo", "train", "data", "translate", "runner", "ubuntu",
    "localhost",
})  # fmt: skip
"""Names that tell nothing, and are words of other meanings too."""

_HOMES: Final = ("home", "Users")

# A traceback names a file between quotes, so that a space in it does no harm; elsewhere a path ends at a space.
_IN_TRACEBACK: Final = re.compile(r'(?<=File ")(?:/|[A-Za-z]:[\\/])[^"\n]+(?=")')
_PART: Final = r"[^\s\"'`:;,<>|()\\/]+"
_START: Final = rf"file:/+|~[\w.-]*[\\/]+|/+|\\\\|[A-Za-z]:[\\/]+|(?:{_PART}[\\/]+)*?\.\.[\\/]+"
_BEFORE: Final = r"(?<![\w.:/\\~…)\]}])"
_PATH: Final = re.compile(rf"(?:{_BEFORE}(?:{_START})|(?<=:)/(?!/))(?:{_PART}[\\/]+)*{_PART}")
_PORT: Final = r"\]?:\d{2,5}(?!\w)"
_DOMAIN: Final = r"(?:\.[\w-]+)*"


def without_places(text: str) -> str:
    """The text without places and addresses, as the module's table says; for texts of known origin.

    >>> without_places("cannot read /home/somebody/photos/1.png")
    'cannot read …/1.png'
    """
    text = _IN_TRACEBACK.sub(lambda found: _below_package(found[0]), text)
    text = _PATH.sub(lambda found: _last(found[0]), text)
    for name, stands_in in _names():
        text = _addressed(name, stands_in).sub(stands_in, text)
        if _is_telling(name):
            text = _path_part(name).sub(stands_in, text)
    return text


def without_names(text: str) -> str:
    """The same, and without every word that is the user's or the host's name; for texts that come from anywhere."""
    text = without_places(text)
    for name, stands_in in _names():
        if _is_telling(name):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", stands_in, text, flags=re.IGNORECASE)
    return text


def _addressed(name: str, stands_in: str) -> re.Pattern[str]:
    """Where a name can be nothing but this user's or this host's."""
    whole, name = "." in name, re.escape(name)
    if stands_in == "USER":
        return re.compile(rf"(?<![\w.-]){name}(?=@\w)|(?<=~){name}(?![\w-])", re.IGNORECASE)
    if whole:  # a host with its domain
        return re.compile(rf"(?<![\w.-]){name}(?![\w-])", re.IGNORECASE)
    name = rf"{name}{_DOMAIN}"
    return re.compile(rf"(?:(?<=\w@)|(?<=://)){name}(?![\w-])|(?<![\w./\\-]){name}(?={_PORT})", re.IGNORECASE)


def _path_part(name: str) -> re.Pattern[str]:
    """A name as a whole part of a path, the host of a URL apart."""
    name = re.escape(name)
    return re.compile(rf"(?<=[^:/\\][\\/]){name}(?!\w|[.-]\w)|(?<![\w./\\-]){name}(?=[\\/]\w)", re.IGNORECASE)


def _names() -> Iterator[tuple[str, str]]:
    """The user and the host, by its whole name and by its first part, with what stands in for them."""
    host = socket.gethostname()
    found = [(_user(), "USER"), (host, "HOST"), (host.partition(".")[0], "HOST")]
    return ((name, stands_in) for name, stands_in in dict.fromkeys(found) if name and name.lower() not in _NOBODYS)


def _is_telling(name: str) -> bool:
    return len(name) >= _FEW


def _below_package(path: str) -> str:
    parts = re.split(r"[\\/]+", path)
    for package in _PACKAGES:
        if package in parts[:-1]:
            start = parts.index(package) + (package == "site-packages")
            return "…/" + "/".join(parts[start:])
    return f"…/{parts[-1]}"


def _last(path: str) -> str:
    """The last part of a path; where that is a home, it is somebody's name."""
    parts = re.split(r"[\\/]+", path)
    is_home = parts[-2:-1] and (parts[-2] in _HOMES or path == os.path.expanduser("~"))
    return "…/USER" if is_home and parts[-1].lower() not in _NOBODYS else f"…/{parts[-1]}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, or a system without users
        return ""
