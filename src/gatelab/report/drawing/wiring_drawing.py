"""The wiring of a variant as SVG: boxes from left to right, an arrow for each way from one vector to another.

Colours are variables, --ink, --soft and --tint, so that the drawing follows a page; by itself it brings its own, for
light and dark.
"""

from collections.abc import Mapping, Sequence
from html import escape

from gatelab.language.wiring import Arrow, Box, Wiring
from gatelab.report.drawing.layered import Layered, Node, layout

__all__ = ["STYLE", "wiring_file", "wiring_svg"]

HEIGHT, ROW, COLUMN, LETTER, MARGIN = 28.0, 14.0, 46.0, 7.4, 3.0
"""In pixels: of a box, between boxes, between columns, of a letter, around the drawing."""
LEGEND: Mapping[Arrow, str] = {"matrix": "learned matrix", "diagonal": "learned diagonal", "element": "as it is"}
_SAMPLE, _LEGEND_WIDTH = 34.0, 150.0

STYLE = """\
.wiring path, .wiring rect { fill: none; stroke: var(--ink); }
.wiring path { stroke: var(--soft); }
.wiring rect { fill: var(--tint); }
.wiring rect + rect { fill: none; }
.wiring .matrix { stroke-width: 2.6; }
.wiring .diagonal { stroke-width: 1.6; stroke-dasharray: 2 3; }
.wiring .head { fill: var(--soft); stroke: none; }
.wiring text { font: 12.5px system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; fill: var(--ink);
  text-anchor: middle; }
.wiring .name { font-style: italic; }
.wiring .step { font-size: 9px; }
.wiring .legend { text-anchor: start; font-size: 11px; fill: var(--soft); }
"""
_OWN_COLOURS = """\
svg { --ink: #1d1d1f; --soft: #5c5c63; --tint: #f6f6f8; --paper: #fff; background: var(--paper); }
@media (prefers-color-scheme: dark) { svg { --ink: #e8e8ea; --soft: #a5a5ad; --tint: #232328; --paper: #17171a; } }
"""


def wiring_file(wiring: Wiring, title: str) -> str:
    """Return an SVG file that stands by itself, with a legend of its arrows."""
    drawn = wiring_svg(wiring, title, legend=True)
    start = drawn.index(">") + 1
    head = drawn[:start].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return f"{head}<style>\n{_OWN_COLOURS}{STYLE}</style>{drawn[start:]}\n"


def wiring_svg(wiring: Wiring, title: str, *, legend: bool = False) -> str:
    """Return an ``<svg>`` for a page that has :data:`STYLE`, or rules of its own for the same classes."""
    boxes = wiring.boxes
    placed = layout(list(boxes), wiring.arrows, dict.fromkeys(boxes, HEIGHT), ROW)
    widths = {name: max(36.0, 18 + LETTER * len(box.label)) for name, box in boxes.items()}
    lefts: dict[Node, tuple[float, float]] = {}
    right = 0.0
    for column in placed.columns:
        width = max(widths[node] if isinstance(node, str) else 0.0 for node in column)
        lefts |= dict.fromkeys(column, (right, width))
        right += width + COLUMN
    shapes = [_curve(placed, wiring.arrows[edge], route, lefts, widths) for edge, route in placed.routes.items()]
    for name, box in boxes.items():
        left, width = lefts[name]
        shapes.append(_box(box, left + (width - widths[name]) / 2, placed.heights[name], widths[name]))
    # curves stay between the heights of what they join
    bottom, wide = max(placed.heights.values()) + HEIGHT / 2, right - COLUMN
    if legend:
        shapes += _legend(bottom + 26)
        bottom, wide = bottom + 32, max(wide, len(LEGEND) * _LEGEND_WIDTH)
    size = (wide + 2 * MARGIN, bottom + 2 * MARGIN)
    return (
        f'<svg class="wiring" width="{size[0]:.0f}" height="{size[1]:.0f}" role="img" '
        f'viewBox="{-MARGIN} {-MARGIN} {size[0]:.0f} {size[1]:.0f}"><title>{escape(title)}</title>'
        + "".join(shapes)
        + "</svg>"
    )


def _legend(y: float) -> list[str]:
    shapes = []
    for place, (kind, said) in enumerate(LEGEND.items()):
        x = place * _LEGEND_WIDTH
        shapes.append(f'<path class="{kind}" d="M{x:.1f} {y - 4:.1f}h{_SAMPLE - 7:.1f}"/>')
        shapes.append(f'<path class="head" d="M{x + _SAMPLE:.1f} {y - 4:.1f}l-8 -4v8z"/>')
        shapes.append(f'<text class="legend" x="{x + _SAMPLE + 6:.1f}" y="{y:.1f}">{said}</text>')
    return shapes


def _box(box: Box, left: float, middle: float, width: float) -> str:
    top, round_ = middle - HEIGHT / 2, HEIGHT / 2 if box.shape == "start" else 3
    frame = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{HEIGHT:.0f}" rx="{round_:.0f}"/>'
    if box.shape == "output":
        frame += (
            f'<rect x="{left + 3:.1f}" y="{top + 3:.1f}" width="{width - 6:.1f}" height="{HEIGHT - 6:.0f}" rx="1"/>'
        )
    name, _, function = box.label.partition(": ")
    letter, _, step = name.rpartition("_t")
    said = f'<tspan class="name">{escape(letter)}</tspan><tspan class="step" dy="3">t{step.replace("-", "−")}</tspan>'
    said += f'<tspan dx="5" dy="-3">{escape(function)}</tspan>' if function else ""
    return f'{frame}<text x="{left + width / 2:.1f}" y="{middle + 4:.1f}">{said}</text>'


def _curve(
    placed: Layered,
    kind: Arrow,
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
