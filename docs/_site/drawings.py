"""Flow charts of Mermaid as drawings within the page: GitHub draws them itself, the site needs no script for them.

Of Mermaid it knows what `gatelab.language.wiring` writes; anything else is an error.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from docs._site.layered import Edge, Layout, Node, layout

BOX = re.compile(r'(\w+)(\(\[|\[\[|\[)"([^"]+)"(?:\]\)|\]\]|\])')
ARROW = re.compile(r"(\w+) (==>|-\.->|-->) (\w+)")
KINDS = {"==>": "matrix", "-.->": "diagonal", "-->": "element"}
SHAPES = {"([": "start", "[": "equation", "[[": "output"}

HEIGHT, ROW, COLUMN, LETTER, MARGIN = 28.0, 14.0, 46.0, 7.4, 3.0
"""In pixels: of a box, between boxes, between columns, of a letter, around the drawing."""


def drawing(text: str) -> str:
    """Return the SVG of a flow chart; raises ValueError for a line that is not understood."""
    first, *lines = [line.strip() for line in text.strip().splitlines()]
    if first != "flowchart LR":
        raise ValueError(f"a drawing begins with 'flowchart LR', not with {first!r}")
    boxes: dict[str, tuple[str, str]] = {}
    arrows: dict[Edge, str] = {}
    for line in lines:
        if box := BOX.fullmatch(line):
            boxes[box[1]] = SHAPES[box[2]], box[3]
        elif (arrow := ARROW.fullmatch(line)) and {arrow[1], arrow[3]} <= set(boxes):
            arrows[arrow[1], arrow[3]] = KINDS[arrow[2]]
        else:
            raise ValueError(f"a drawing has a line that is neither a box nor an arrow between boxes: {line!r}")
    placed = layout(list(boxes), arrows, dict.fromkeys(boxes, HEIGHT), ROW)
    return _svg(placed, boxes, arrows)


def _svg(placed: Layout, boxes: Mapping[str, tuple[str, str]], arrows: Mapping[Edge, str]) -> str:
    widths = {name: max(36.0, 18 + LETTER * len(label)) for name, (_, label) in boxes.items()}
    lefts: dict[Node, tuple[float, float]] = {}
    right = 0.0
    for column in placed.columns:
        width = max(widths[node] if isinstance(node, str) else 0.0 for node in column)
        lefts |= dict.fromkeys(column, (right, width))
        right += width + COLUMN
    shapes = [_curve(placed, arrows[edge], route, lefts, widths) for edge, route in placed.routes.items()]
    for name, (shape, label) in boxes.items():
        left, width = lefts[name]
        shapes.append(_box(shape, label, left + (width - widths[name]) / 2, placed.heights[name], widths[name]))
    bottom = max(placed.heights.values()) + HEIGHT / 2
    size = (right - COLUMN + 2 * MARGIN, bottom + 2 * MARGIN)
    return (
        f'<div class="wiring"><svg width="{size[0]:.0f}" height="{size[1]:.0f}" role="img" '
        f'viewBox="{-MARGIN} {-MARGIN} {size[0]:.0f} {size[1]:.0f}"><title>What each equation reads</title>'
        + "".join(shapes)
        + "</svg></div>"
    )


def _box(shape: str, label: str, left: float, middle: float, width: float) -> str:
    top, round_ = middle - HEIGHT / 2, HEIGHT / 2 if shape == "start" else 3
    frame = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{HEIGHT:.0f}" rx="{round_:.0f}"/>'
    if shape == "output":
        frame += (
            f'<rect x="{left + 3:.1f}" y="{top + 3:.1f}" width="{width - 6:.1f}" height="{HEIGHT - 6:.0f}" rx="1"/>'
        )
    name, _, function = label.partition(": ")
    letter, _, step = name.rpartition("_t")
    said = f'<tspan class="name">{escape(letter)}</tspan><tspan class="step" dy="3">t{step.replace("-", "−")}</tspan>'
    said += f'<tspan dx="5" dy="-3">{escape(function)}</tspan>' if function else ""
    return f'{frame}<text x="{left + width / 2:.1f}" y="{middle + 4:.1f}">{said}</text>'


def _curve(
    placed: Layout,
    kind: str,
    route: Sequence[Node],
    lefts: Mapping[Node, tuple[float, float]],
    widths: Mapping[str, float],
) -> str:
    """Return an arrow: straight across a column that it passes, curved between columns, with a head."""
    (source, *passed, target) = route
    assert isinstance(source, str)
    assert isinstance(target, str)
    left, width = lefts[source]
    x, y = left + (width + widths[source]) / 2, placed.heights[source]
    path = [f"M{x:.1f} {y:.1f}"]
    end = lefts[target][0] + (lefts[target][1] - widths[target]) / 2 - 7
    stops = [(lefts[node][0], placed.heights[node], lefts[node][1]) for node in passed]
    for to, height, across in [*stops, (end, placed.heights[target], 0.0)]:
        half = (to - x) / 2
        path.append(f"C{x + half:.1f} {y:.1f} {to - half:.1f} {height:.1f} {to:.1f} {height:.1f}")
        x, y = to + across, height
        path.append(f"H{x:.1f}" if across else "")
    head = f"M{end + 6:.1f} {y:.1f}l-8 -4v8z"
    return f'<path class="{kind}" d="{"".join(path)}"/><path class="head" d="{head}"/>'


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
