"""The menu: the links of docs/index.md in their order, under its headings. GitHub and the site show one list."""

import re

from sphinx.application import Sphinx

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
LINK = re.compile(r"^- \[[^\]]+\]\(([^)#]+)\.md\)", re.MULTILINE)


def menu(text: str) -> str:
    """Return the tables of contents, one for each heading with links, for a page of Markdown."""
    _, *parts = HEADING.split(text)
    found = []
    for caption, part in zip(parts[::2], parts[1::2], strict=True):
        if pages := LINK.findall(part):
            found.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"]))
    return "\n\n".join(found)


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    if name == app.config.root_doc:
        source[0] = f"{source[0]}\n\n{menu(source[0])}\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx call this module."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
