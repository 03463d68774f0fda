"""Colours of code: the pages indent it, without the name of its language, which is seen from its text."""

import ast
import re

from docutils import nodes
from sphinx.application import Sphinx

BEGINNINGS = {"pycon": r"\s*>>> ", "yaml": r"# \S+\.yaml|name: \w+\n", "c": r"for \(long "}
COMMAND = re.compile(r"(?:python|make|source|wandb|gatelab|pip|export) ")


def language(text: str) -> str:
    """Return the name of the language of a block, or none."""
    for name, beginning in BEGINNINGS.items():
        if re.match(beginning, text):
            return name
    if COMMAND.match(text):
        return "bash"
    try:
        ast.parse(text)
    except SyntaxError:
        return "none"
    return "python" if re.search(r"^(?:import|from|class|def|\w+ = )", text, re.MULTILINE) else "none"


def _colour(_: Sphinx, page: nodes.document) -> None:
    for block in page.findall(nodes.literal_block):
        if block.get("language", "none") == "none":
            block["language"] = language(block.astext())


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx call this module."""
    app.connect("doctree-read", _colour)
    return {"parallel_read_safe": True}
