"""`python -m translate` is the same as `translate`."""

from __future__ import annotations

import sys

from translate.cli import main

if __name__ == "__main__":
    sys.exit(main())
