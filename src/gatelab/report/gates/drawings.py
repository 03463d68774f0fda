"""Drawings of the diagnostics of :mod:`gatelab.probes`: each of several networks, such as one and its untrained twin.

Every function takes name of a network -> what was found, and returns figures. Drawings that stand side by side share
their scales, but for the image of a gate, whose axes are each network's own.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gatelab.report.drawing.drawing import GREY, INK, drawn, plain_ticks
from gatelab.report.drawing.styles import Look, looks
from gatelab.report.sections.parts import Figure

if TYPE_CHECKING:
    from gatelab.probes.diagnostics.credit import Credit
    from gatelab.probes.diagnostics.dynamics import Dynamics
    from gatelab.probes.diagnostics.effective_memory import EffectiveMemory
    from gatelab.probes.diagnostics.gate_traces import GateTraces
    from gatelab.probes.diagnostics.retention_matrix import RetentionMatrix
    from gatelab.probes.diagnostics.saturation import Saturation
    from gatelab.probes.diagnostics.toggle_space import ToggleSpace

__all__ = ["DRAWINGS", "Columns"]

Array = NDArray[Any]
Columns = Mapping[str, Any]
"""Name of a network -> what a diagnostic found of it; at least one."""

COLOURS = "cividis"
"""Of images: even in lightness, and the same for those who see no red or no green (Nuñez et al. 2018)."""
CLOUD = "#2b8fd6"
"""Of what is rasterised, and so the same in dark mode."""
BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"
MOST_LINES = 4
"""Features that are drawn as lines; more are rows of an image."""
BAR = 0.6
"""Inches on the right of a drawing whose colours are named by a bar."""
DPI = 200
"""Of clouds of points."""
MOST_POINTS = 700
LONGEST_TAU = 1e5  # steps; what is drawn of units that remember for ever


_drawn = partial(drawn, pdf=False)
"""The page has no other files."""


def _styled(columns: Columns) -> list[tuple[str, Any, Look]]:
    """Return name, what was found and look of every network; no look is black."""
    return [(name, columns[name], look) for name, look in looks(["", *columns]).items() if name]


def _each(
    columns: Columns,
    name: str,
    title: str | Callable[[Any], str],
    draw: Callable[[Axes, Any], None],
    *,
    height: float = 3.2,
    left: float = 0.75,
    right: float = 0.14,
) -> list[Figure]:
    """Draw the same of all.

    A title may be a function of what was found; sizes are those of :func:`gatelab.report.drawing.drawing.drawn`.
    """
    return [
        _drawn(
            f"{name}_{place}",
            f"{title if isinstance(title, str) else title(one)}, {which}",
            partial(_passed, draw, one),
            height=height,
            left=left,
            right=right,
        )
        for place, (which, one) in enumerate(columns.items())
    ]


def _passed(draw: Callable[[Axes, Any], None], one: Any, axes: Axes) -> None:
    draw(axes, one)


def _first(columns: Columns) -> Any:
    return next(iter(columns.values()))


def _named(names: Iterable[str]) -> str:
    """Return what several networks call something: one name if it is the same."""
    return ", ".join(dict.fromkeys(names))


def _image(axes: Axes, values: Array, low: float, high: float, bar: str) -> None:
    shown = axes.imshow(values, cmap=COLOURS, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    axes.grid(visible=False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    colourbar = figure.colorbar(shown, ax=axes, fraction=0.05, pad=0.03)
    colourbar.set_label(bar)


def _sharp(axes: Axes) -> None:
    """Let what is rasterised be fine enough for paper; thousands of marks as vectors would be a megabyte."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.set_dpi(DPI)


def gate_traces(columns: Columns) -> list[Figure]:
    """Draw what the layer reads in the first sequence, and every gate for the same steps, units sorted by one order."""
    first: GateTraces = _first(columns)
    length = int(first.lengths[0])
    read = first.inputs[:length, 0]
    draw = partial(_features_as_lines if read.shape[-1] <= MOST_LINES else _features_as_image, read)
    figures = []
    leading = {found.ordered_by for found in columns.values()}
    gates = dict.fromkeys(gate for found in columns.values() for gate in found.values)
    for gate in sorted(gates, key=lambda name: name not in leading):
        having = {name: found for name, found in columns.items() if gate in found.values}
        figures += _each(having, f"trace_{gate}", f"Gate {gate}", partial(_gate_trace, gate, length), right=BAR)
    # after those that stand side by side
    return [*figures, _drawn("inputs", "What the layer reads, sequence 0", draw, height=2.4, right=BAR)]


def _features_as_lines(read: Array, axes: Axes) -> None:
    names = [f"feature {place}" for place in range(read.shape[-1])]
    for values, (name, look) in zip(read.T, looks(names).items(), strict=True):
        axes.plot(values, color=look.colour, linestyle=look.dash, label=name, marker=look.marker, ms=3)
    axes.set(xlabel="step", ylabel="value", xlim=(-0.5, len(read) - 0.5))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.45 * (high - low))  # room for the legend
    axes.legend(loc="upper right", ncols=2)


def _features_as_image(read: Array, axes: Axes) -> None:
    _image(axes, read.T, float(read.min()), float(read.max()), "value")
    axes.set(xlabel="step", ylabel="feature")


def _gate_trace(gate: str, length: int, axes: Axes, found: "GateTraces") -> None:
    values = found.values[gate][:length, 0]
    # a gate of another width has units of its own
    fits = values.shape[-1] == len(found.order)
    _image(axes, (values[:, found.order] if fits else values).T, 0, 1, f"gate {gate}")
    axes.set(xlabel="step", ylabel=f"unit, by gate {found.ordered_by}" if fits else "unit")


def saturation(columns: Columns) -> list[Figure]:
    """Draw shut against open, a mark for each unit, and the histogram of values."""
    shown = looks(list(dict.fromkeys(gate for found in columns.values() for gate in found.shut)))
    highest = max(float((c / c.sum()).max()) for found in columns.values() for c in found.counts.values())

    def units(axes: Axes, found: "Saturation") -> None:
        axes.plot([0, 1], [1, 0], color=GREY, linewidth=0.8)
        for gate in found.shut:
            look = shown[gate]
            axes.plot(found.shut[gate], found.open[gate], look.marker, color=look.colour, alpha=0.6, label=gate, ms=5)
        axes.set(xlabel="share of steps shut (below 0.1)", ylabel="share of steps open (above 0.9)")
        axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
        axes.legend(loc="upper right")

    def histogram(axes: Axes, found: "Saturation") -> None:
        for gate, counts in found.counts.items():
            look = shown[gate]
            axes.stairs(counts / counts.sum(), found.edges, color=look.colour, linestyle=look.dash, label=gate, lw=1.6)
        axes.set(xlabel="value of the gate", ylabel="share of all values", xlim=(0, 1), ylim=(0, 1.05 * highest))
        axes.legend(loc="best")

    return [*_each(columns, "saturation", "Units", units), *_each(columns, "values", "Values", histogram, height=2.6)]


def time_scales(columns: Columns) -> list[Figure]:
    """Draw τ of each unit, sorted, measured on data and from the biases alone."""

    def spectrum(axes: Axes) -> None:
        for name, found, look in _styled(columns):
            for label, values, dash in ((name, found.tau, "-"), (None, found.bias_only, ":")):
                steps = np.sort(np.clip(values, 1e-2, LONGEST_TAU))[::-1]
                axes.plot(np.arange(1, len(steps) + 1), steps, dash, color=look.colour, label=label, lw=1.8)
        axes.plot([], [], ":", color=INK, label="from the biases alone")
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
        axes.set(xlabel="unit, slowest first", ylabel="τ, steps")
        axes.legend(loc="best")

    return [_drawn("time_scales", "Time scales", spectrum)]


def effective_memory(columns: Columns) -> list[Figure]:
    """Draw what is left of an input against its distance: the whole, its two parts, and what the gates say."""
    lines = ("measured", "-", INK), ("kept", "--", BLUE), ("recurrent", "-.", RED), ("nominal", ":", GREEN)
    names = {"measured": "measured", "kept": "gate path", "recurrent": "recurrent path", "nominal": "∏ f, to scale"}
    tops = [float(np.nanmax(found.measured, initial=0)) for found in columns.values()]
    top = max(*tops, 1e-30)

    def memory(axes: Axes, found: "EffectiveMemory") -> None:
        for attribute, dash, colour in lines:
            values = np.asarray(getattr(found, attribute), float)
            if attribute == "nominal":
                values = values * found.measured[0]
            visible = np.where(values > top * 1e-8, values, np.nan)
            if np.isfinite(visible).any():
                axes.plot(found.lags, visible, dash, color=colour, label=names[attribute], lw=1.6)
        axes.set_yscale("log")
        axes.set(xlabel="distance k, steps", ylabel="‖∂h at T / ∂x at T−k‖", ylim=(top * 1e-8, top * 3))
        plain_ticks(axes.yaxis)
        axes.legend(loc="best")

    return _each(columns, "memory", "What is left of an input", memory, left=0.95)


def retention_matrix(columns: Columns) -> list[Figure]:
    """Draw the mean over units of the weight with which step j stands in the state at step t."""
    least = min(0.0, *(float(found.mean.min()) for found in columns.values()))
    most = max(float(found.mean.max()) for found in columns.values())

    def matrix(axes: Axes, found: "RetentionMatrix") -> None:
        below = np.tril(np.ones_like(found.mean)) > 0
        _image(axes, np.where(below, found.mean, np.nan), least, most, "weight, mean over units")
        axes.set(xlabel="written at step j", ylabel=f"standing in {found.state} at step t")

    title = lambda found: f"What {found.state} holds"  # noqa: E731
    return _each(columns, "retention", title, matrix, height=3.6, right=BAR)


def toggle_space(columns: Columns) -> list[Figure]:
    """Draw singular values, shares of the pre-activation's variance, and the gate's image coloured by the step."""
    styled = _styled(columns)

    def spectrum(axes: Axes) -> None:
        for name, found, look in styled:
            values = found.singular_values
            label = f"{name}, effective rank {found.effective_rank:.1f}"
            axes.plot(np.arange(1, len(values) + 1), values, marker=look.marker, color=look.colour, label=label, ms=4)
        axes.set(xlabel="direction", ylabel="singular value of W", ylim=(0, None))
        axes.legend(loc="upper right")

    def shares(axes: Axes) -> None:
        sources = list(dict.fromkeys(source for found in columns.values() for source in found.shares))
        width = 0.76 / len(styled)
        for number, (name, found, look) in enumerate(styled):
            places = np.arange(len(sources)) + width * (number - (len(styled) - 1) / 2)
            heights = [found.shares.get(source, 0) for source in sources]
            axes.bar(places, heights, 0.95 * width, color=look.colour, label=name)
        axes.set_xticks(range(len(sources)), sources)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(ylabel="share of the pre-activation's variance")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
        axes.legend(loc="upper right", ncols=2)

    def image(axes: Axes, found: "ToggleSpace") -> None:
        few = slice(None, None, 1 + len(found.image) // MOST_POINTS)
        points: PathCollection = axes.scatter(
            found.image[few, 0], found.image[few, 1], c=found.image_steps[few, 0], cmap=COLOURS, s=8, rasterized=True
        )
        _sharp(axes)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        figure = axes.get_figure(root=True)
        assert figure is not None
        figure.colorbar(points, ax=axes, fraction=0.05, pad=0.03).set_label("step")
        axes.set(xlabel="first principal component", ylabel="second")

    gate = _named(found.gate for found in columns.values())
    drawings = [
        _drawn("singular_values", f"Weights of gate {gate}", spectrum),
        _drawn("shares", f"What moves gate {gate}", shares),
    ]
    return [*drawings, *_each(columns, "image", lambda found: f"Visited values of {found.gate}", image, right=BAR)]


def dynamics(columns: Columns) -> list[Figure]:
    """Draw the eigenvalues of the step at visited states, and the exponents of each sequence."""
    widest = max(1.15, *(float(np.abs(found.eigenvalues).max()) * 1.05 for found in columns.values()))

    def cloud(axes: Axes, found: "Dynamics") -> None:
        turn = np.linspace(0, 2 * np.pi, 200)
        axes.plot(np.cos(turn), np.sin(turn), color=GREY, linewidth=0.9)
        values = found.eigenvalues.ravel()
        axes.plot(values.real, values.imag, ".", color=CLOUD, alpha=0.35, ms=3, rasterized=True)
        _sharp(axes)
        axes.set(xlabel="real part", ylabel="imaginary part", xlim=(-widest, widest), ylim=(-widest, widest))
        axes.set_aspect("equal")

    def exponents(axes: Axes) -> None:
        for name, found, look in _styled(columns):
            for sequence, values in enumerate(np.where(np.isfinite(found.exponents), found.exponents, np.nan)):
                label = name if sequence == 0 else None
                axes.plot(
                    np.arange(1, len(values) + 1), values, look.marker, color=look.colour, alpha=0.6, ms=5, label=label
                )
        axes.axhline(0, color=GREY, linewidth=0.9)
        axes.set(xlabel="exponent, the largest first", ylabel="Lyapunov exponent, nats a step")
        axes.legend(loc="best")

    clouds = _each(columns, "eigenvalues", "Eigenvalues of a step", cloud, height=4.2)
    return [*clouds, _drawn("exponents", "Exponents", exponents)]


def interventions(columns: Columns) -> list[Figure]:
    """Draw the change of the score with its interval, for each way to interfere."""
    kinds, first = _first(columns).kinds, _first(columns)

    def forest(axes: Axes) -> None:
        for number, (name, found, look) in enumerate(_styled(columns)):
            change, interval = found.change[:, 0], found.interval[:, 0]
            places = np.arange(len(kinds)) + 0.56 / len(columns) * (number - (len(columns) - 1) / 2)
            spread = np.abs(interval.T - change)
            axes.errorbar(change, places, xerr=spread, fmt=look.marker, color=look.colour, label=name, ms=6)
        axes.axvline(0, color=GREY, linewidth=0.9)
        axes.set_yticks(range(len(kinds)), kinds)
        axes.set_ylim(len(kinds) - 0.4, -0.6)
        direction = "higher" if first.higher_is_better else "lower"
        axes.set_xlabel(f"change of {first.score_name} ({direction} is better)")
        axes.legend(loc="best")

    gate = _named(found.gate for found in columns.values())
    return [_drawn("interventions", f"Gate {gate} replaced", forest, left=1.65)]


def credit(columns: Columns) -> list[Figure]:
    """Draw the share of each path in the gradient against the distance."""
    shown = looks(list(dict.fromkeys(str(path) for found in columns.values() for path in found.paths)))
    all_shares = np.concatenate([found.shares().ravel() for found in columns.values()])
    low, high = np.clip([np.nanmin(all_shares, initial=0), np.nanmax(all_shares, initial=1)], -1, 2)

    def shares(axes: Axes, found: "Credit") -> None:
        names = [str(path) for path in found.paths]
        for name, line in zip(names, found.shares(), strict=True):
            look = shown[name]
            axes.plot(found.lags, line, color=look.colour, linestyle=look.dash, marker=look.marker, markevery=5, ms=4)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel="distance k, steps", ylabel="share of the gradient", ylim=(low - 0.05, high + 0.6))
        if names != legends:
            legends[:] = names
            axes.legend(axes.get_lines()[: len(names)], names, loc="upper right", ncols=2)

    legends: list[str] = []  # of the drawing before, whose names need not be said again
    return _each(columns, "credit", "Who carries the gradient", shares, height=3.6)


DRAWINGS: Mapping[str, Callable[[Columns], list[Figure]]] = {
    "gate_traces": gate_traces,
    "saturation": saturation,
    "time_scales": time_scales,
    "effective_memory": effective_memory,
    "retention_matrix": retention_matrix,
    "toggle_space": toggle_space,
    "dynamics": dynamics,
    "interventions": interventions,
    "credit": credit,
}
"""Diagnostic, as :mod:`gatelab.probes` calls it -> its drawings."""
