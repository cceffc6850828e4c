"""The table of shipped pipelines in the README, made from the files: `python tests/support/models_table.py`."""

from __future__ import annotations

import re
import sys
from importlib import resources
from pathlib import Path
from typing import Final

from translate.plugin_manager import default_manager

README: Final = Path(__file__).resolve().parents[2] / "README.md"
MARKS: Final = ("<!-- models -->\n", "<!-- end of models -->\n")


def table() -> str:
    """One row for each shipped pipeline: name, lines that are neither blank nor comment, what it is."""
    rows = ["| pipeline | lines | what it is |", "|---|---|---|"]
    for name, (shipped, _) in sorted(default_manager().catalogue.pipelines.items()):
        text = (resources.files(shipped.package) / shipped.file).read_text(encoding="utf-8")
        count = sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in text.splitlines())
        rows.append(f"| `{name}` | {count} | {shipped.summary} |")
    return "\n".join(rows) + "\n"


def with_table(text: str) -> str:
    """A README with the table between its marks."""
    start, end = map(re.escape, MARKS)
    return re.sub(f"({start}).*?({end})", lambda found: f"{found[1]}\n{table()}\n{found[2]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
