"""The menu: the links of docs/index.md in their order, under its headings, those further in below the one before them.

So GitHub and the site show one list.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

LINE = re.compile(r"^(?:## (?P<caption>.+)|(?P<margin> *)- \[[^\]]+\]\((?P<page>[^)#]+)\.md\).*)$", re.MULTILINE)
ROOT = "index"


def menu(text: str) -> dict[str, str]:
    """Return page -> the tables of contents that belong at its end, from the text of the first page."""
    lists: dict[tuple[str, str], list[str]] = {}
    caption, above = "", ROOT
    for line in LINE.finditer(text):
        if line["caption"]:
            caption = line["caption"]
        elif line["margin"]:
            lists.setdefault((above, ""), []).append(f"/{line['page']}")
        elif caption:
            above = line["page"]
            lists.setdefault((ROOT, caption), []).append(f"/{above}")
    found: dict[str, str] = {}
    for (page, title), pages in lists.items():
        options = [":hidden:", *([f":caption: {title}"] if title else [])]
        found[page] = found.get(page, "") + "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])
    return found


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    first = Path(app.srcdir) / f"{ROOT}.md"
    app.env.note_dependency(str(first))
    source[0] += menu(first.read_text(encoding="utf-8")).get(name, "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx call this module."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
