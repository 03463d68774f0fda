"""Drawings by matplotlib: one as SVG and as PDF, the same bytes each time, with hooks for the script of the page."""

import io
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter

from gatelab.report.drawing.fonts import families
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Figure

__all__ = [
    "GREY",
    "INK",
    "WIDTH",
    "add_legend",
    "canvas",
    "drawn",
    "hook",
    "left_margin",
    "name_rows",
    "plain_ticks",
    "shortened_label",
    "spans_decades",
]

WIDTH = 4.7
"""Inches; about 450 pixels on the page. A phone shows it a little smaller, a desktop two beside each other."""
_LETTERS, _LINE, _ROW = 13, 0.16, 0.18
"""Letters of a label to the inch, inches from line to line, and from row to row of a legend."""
_INSIDE, _MOST_NAMED = 4, 24
"""Names that find room between the curves, and those beyond which a legend would be larger than its drawing."""
INK, GREY = "#222222", "#8a8a8a"

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, searchable, in the font of the page
    "pdf.fonttype": 42,  # TrueType, which can be edited and which journals ask for
    "text.parse_math": False,  # a label is not mathematics, whatever it contains
    "path.simplify": True,
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # known, or matplotlib lays every axis out once more to find it
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.2,
}


def drawn(
    name: str,
    title: str,
    draw: Callable[[Axes], None],
    *,
    height: float = 3.2,
    width: float = WIDTH,
    left: float = 0.75,
    bottom: float = 0.52,
    right: float = 0.14,
    view: str = "",
    pdf: bool = True,
) -> Figure:
    """Draw one set of axes and return it in both formats, or as SVG alone; sizes and margins in inches."""
    # the style holds only here: a program that imports gatelab keeps its own
    fonts = list(families())  # those that come with matplotlib: the same drawing on every machine
    with matplotlib.rc_context({**_STYLE, "font.sans-serif": fonts, "svg.hashsalt": name}), warnings.catch_warnings():
        # a label may have letters that matplotlib's font lacks; the browser's has them
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure, axes = canvas(width, height, left=left, bottom=bottom, right=right, top=0.32)
        axes.set_title(title)
        draw(axes)
        _wrap_labels(axes, width, height)
        svg, paper = io.StringIO(), io.BytesIO()
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
        if pdf:
            FigureCanvasPdf(figure).print_pdf(paper, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return Figure(name, title, _cleaned(svg.getvalue(), name, title), paper.getvalue(), view)


def _wrap_labels(axes: Axes, width: float, height: float) -> None:
    """Keep labels inside of the drawing: break the left one, which moves the axes, and move or shrink the one below."""
    lines = textwrap.wrap(axes.get_ylabel(), int(_LETTERS * 0.9 * height))
    if len(lines) > 1:
        axes.set_ylabel("\n".join(lines))
        box = axes.get_position()
        more = _LINE * (len(lines) - 1) / width
        axes.set_position((box.x0 + more, box.y0, box.width - more, box.height))
    needed = len(axes.get_xlabel()) / (_LETTERS * 0.85)  # inches
    if needed > width:
        axes.xaxis.label.set_fontsize(_STYLE["axes.labelsize"] * width / needed)
    # under the middle of the axes, or as near to it as it reaches neither edge
    box, half = axes.get_position(), min(0.5, needed / 2 / width)
    middle = min(max((box.x0 + box.x1) / 2, half), 1 - half)
    axes.xaxis.label.set_x((middle - box.x0) / box.width)


def canvas(width: float, height: float, *, left: float, bottom: float, right: float, top: float) -> tuple[Canvas, Axes]:
    """Return a figure with one set of axes inside of margins in inches (a layout engine draws everything twice)."""
    figure = Canvas(figsize=(width, height))
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return figure, figure.add_axes(box)


def hook(look: Look, run: int | None = None) -> str:
    """Return the id of an artist that belongs to a variant, and to a run: ``v3`` or ``v3.r17``."""
    return look.hook if run is None else f"{look.hook}.r{run}"


def name_rows(axes: Axes, names: Sequence[str], looks: Sequence[Look]) -> None:
    """Name the rows of a drawing at 0, 1, … from the top, each hidden and shown with its variant."""
    axes.set_yticks(range(len(names)), list(names))
    for tick, look in zip(axes.get_yticklabels(), looks, strict=True):
        tick.set_gid(hook(look))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def add_legend(axes: Axes, looks: Mapping[str, Look], title: str = "") -> None:
    """Name the labelled lines of a drawing, each name hidden and shown with its variant; ``looks`` is by label.

    A few names stand between the curves, more of them below the axes, for which the drawing becomes higher: a legend
    of eight would hide what it explains.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not 0 < len(labels) <= _MOST_NAMED:
        return
    names = [shortened_label(label) for label in labels]
    lay: dict[str, Any] = {"handlelength": 1.6, "labelspacing": 0.25, "borderaxespad": 0.2, "title": title or None}
    if len(labels) > _INSIDE:
        figure = axes.get_figure(root=True)
        assert figure is not None
        width, height = figure.get_size_inches()
        columns = max(1, int((width - 0.1) / (0.45 + 0.075 * max(map(len, names)))))
        more = _ROW * (math.ceil(len(labels) / columns) + bool(title)) + 0.1
        box, scale = axes.get_position(), height / (height + more)
        figure.set_size_inches(width, height + more)
        axes.set_position((box.x0, 1 - (1 - box.y0) * scale, box.width, box.height * scale))
        lay |= {"loc": "upper left", "bbox_to_anchor": (0.02, 1 - scale), "bbox_transform": figure.transFigure}
        lay |= {"ncols": columns, "columnspacing": 1.2, "alignment": "left"}
    legend = axes.legend(handles, names, **lay)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_gid(hook(looks[label]))


def plain_ticks(axis: Axis) -> None:
    """Label a logarithmic axis with numbers; matplotlib's powers of ten are mathematics, which is switched off."""
    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(_two_or_more(low, high))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _two_or_more(low: float, high: float) -> Locator:
    """Return where the labels of a logarithmic axis stand: one label alone would not say how wide the axis is."""
    coarse: tuple[tuple[float, ...], ...] = ((1.0,), (1.0, 2.0, 5.0))
    for factors in coarse if high >= 30 * low else coarse[1:]:
        locator = LogLocator(subs=factors)
        if sum(low <= tick <= high for tick in locator.tick_values(low, high)) >= 2:
            return locator
    return MaxNLocator(4)


def spans_decades(scores: Sequence[float]) -> bool:
    """Say whether scores are spread so far that only a logarithmic scale tells the good ones apart."""
    finite = [score for score in scores if math.isfinite(score)]
    return bool(finite) and min(finite) > 0 and max(finite) > 30 * min(finite)


def left_margin(labels: Sequence[str]) -> float:
    """Return the inches that labels left of the axes need."""
    return 0.3 + 0.072 * max(map(len, map(shortened_label, labels)), default=0)


def shortened_label(label: str) -> str:
    """Return a label that leaves room for the drawing: keys without sections, and both ends of what is still long."""
    if len(label) > _ROOM:
        label = _SECTIONS.sub(r"\1", label)
    # labels of one drawing mostly differ at an end: in the variant, or in the last of its settings
    return label if len(label) <= _ROOM else f"{label[: _ROOM // 2]}…{label[1 - _ROOM // 2 :]}"


_ROOM = 24  # characters of a label
_SECTIONS = re.compile(r"\b(?:[a-z_]\w*\.)+(\w+=)")
_HOOKED = re.compile(r'<g id="(v\d+)(?:\.r(\d+))?">')
_IDENTITY = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'(?:url\(#|href="#)([^)"]*)')
_FONTS = re.compile(r"(?:'(?:gatelab drawing|DejaVu Sans)', )+sans-serif")
_PLACES = re.compile(r' (?:d|x|y|transform)="[^"]*"')
_DIGITS = re.compile(r"(\.\d\d)\d+")


def _cleaned(svg: str, name: str, title: str) -> str:
    """Return the ``<svg>`` element, fit to stand beside others in one page: no id twice, hooks as classes."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = _HOOKED.sub(_class_of, svg)
    used = set(_USED.findall(svg))
    svg = _IDENTITY.sub(lambda match: f' id="{name}.{match[1]}"' if match[1] in used else "", svg)
    svg = _USED.sub(lambda match: match[0].replace(f"#{match[1]}", f"#{name}.{match[1]}"), svg)
    svg = _FONTS.sub("sans-serif", svg)
    # a hundredth of a point is less than any screen or printer shows
    svg = _PLACES.sub(lambda match: _DIGITS.sub(r"\1", match[0]).replace(" \n", " "), svg)
    label = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _class_of(match: re.Match[str]) -> str:
    run = f' data-run="{match[2]}"' if match[2] else ""
    return f'<g class="{match[1]}"{run}>'
