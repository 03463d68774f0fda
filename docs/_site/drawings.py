"""Flow charts of Mermaid as drawings within the page: GitHub draws them itself, the site needs no script for them.

Of Mermaid it knows what `gatelab.language.wiring` writes; anything else is an error.
"""

import re

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from gatelab.language.wiring import ARROWS, SHAPES, Arrow, Box, Wiring
from gatelab.report.drawing.wiring_drawing import wiring_svg

BOX = re.compile(r'(\w+)(\(\[|\[\[|\[)"([^"]+)"(?:\]\)|\]\]|\])')
ARROW = re.compile(r"(\w+) (==>|-\.->|-->) (\w+)")


def drawing(text: str) -> str:
    """Return the SVG of a flow chart; raises ValueError for a line that is not understood."""
    first, *lines = [line.strip() for line in text.strip().splitlines()]
    if first != "flowchart LR":
        raise ValueError(f"a drawing begins with 'flowchart LR', not with {first!r}")
    shapes = {before: shape for shape, (before, _) in SHAPES.items()}
    kinds = {arrow: kind for kind, arrow in ARROWS.items()}
    boxes: dict[str, Box] = {}
    arrows: dict[tuple[str, str], Arrow] = {}
    for line in lines:
        if box := BOX.fullmatch(line):
            boxes[box[1]] = Box(shapes[box[2]], box[3])
        elif (arrow := ARROW.fullmatch(line)) and {arrow[1], arrow[3]} <= set(boxes):
            arrows[arrow[1], arrow[3]] = kinds[arrow[2]]
        else:
            raise ValueError(f"a drawing has a line that is neither a box nor an arrow between boxes: {line!r}")
    return f'<div class="wiring">{wiring_svg(Wiring(boxes, arrows), "What each equation reads")}</div>'


class Mermaid(Directive):
    """A flow chart of a page."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the drawing."""
        try:
            drawn = drawing("\n".join(self.content))
        except ValueError as error:
            raise self.error(str(error)) from None
        return [nodes.raw("", drawn, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx call this module."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True}
