"""The figures of the tutorial, as SVG on white paper: they are read on pages of any colour."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

BLACK, BLUE, RED, GREEN, ORANGE, GREY = "#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#666666"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 10, "axes.titlelocation": "left", "legend.frameon": False, "svg.fonttype": "path",
    "figure.facecolor": "white", "axes.facecolor": "white", "axes.edgecolor": GREY,
}  # fmt: skip


def draw(results: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, str]:
    """Return name -> SVG."""
    return {
        "toggles": _svg("toggles", 7.2, 3.3, 2, lambda axes: _toggles(axes, arrays["toggle"])),
        "squashings": _svg("squashings", 7.2, 2.9, 2, lambda axes: _squashings(axes, results["gates"])),
        "poles": _svg("poles", 7.2, 2.9, 1, lambda axes: _poles(axes[0], results["pole"]["tasks"])),
        "memory": _svg("memory", 7.2, 3.1, 2, lambda axes: _memory(axes, arrays)),
        "gates": _svg("gates", 7.2, 2.9, 1, lambda axes: _errors(axes[0], _rows(results["gates"], "others"))),
        "openings": _svg("openings", 7.2, 2.5, 1, lambda axes: _errors(axes[0], results["opening"]["rows"])),
    }


def _svg(name: str, width: float, height: float, panels: int, drawn: Callable[[Any], None]) -> str:
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        drawn(figure.subplots(1, panels, squeeze=False)[0])
        out = io.StringIO()
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _toggles(axes: Any, found: Mapping[str, Any]) -> None:
    """The gate over the plane of its two summands, and where the data are."""
    flags = found["flags"]
    for ax, (gate, title) in zip(axes, (("f", "forget gate"), ("i", "input gate")), strict=True):
        one = found[gate]
        span_x, span_y = _span(one["x"], 0.5), _span(one["h"], 0.5)
        x, y = np.meshgrid(np.linspace(*span_x, 120), np.linspace(*span_y, 120))
        value = 1 / (1 + np.exp(-(x + y + one["bias"])))
        image = ax.imshow(
            value, extent=(*span_x, *span_y), origin="lower", aspect="auto", cmap="cividis", vmin=0, vmax=1, alpha=0.85
        )
        ax.contour(x, y, value, levels=[0.5], colors="white", linewidths=1.6)
        few = (slice(None), slice(0, 6))
        for which, colour, marker, label in ((~flags, "#56B4E9", "o", "no flag"), (flags, RED, "^", "flag")):
            seen = which[few]
            ax.plot(
                one["x"][few][seen], one["h"][few][seen], marker, ms=3.4, mfc=colour, mec="black", mew=0.3, label=label
            )
        ax.set(title=title, xlabel="what x adds: w·x", xlim=span_x, ylim=span_y)
    axes[0].set_ylabel("what h adds: w·h")
    axes[0].legend(loc="upper left", labelcolor="white", handletextpad=0.1)
    axes[0].figure.colorbar(image, ax=axes, label="value of the gate", shrink=0.9)


def _span(values: Any, more: float) -> tuple[float, float]:
    return float(values.min()) - more, float(values.max()) + more


def _squashings(axes: Any, gates: Mapping[str, Any]) -> None:
    a = np.linspace(-5, 5, 400)
    curves = {
        "LSTM": 1 / (1 + np.exp(-a)), "hard sigmoid": np.clip(a / 6 + 0.5, 0, 1),
        "no squashing": a, "step": (a > 0) * 1.0,
    }  # fmt: skip
    for (label, values), colour, dash in zip(
        curves.items(), (BLACK, BLUE, RED, GREEN), ("-", "--", "-.", ":"), strict=True
    ):
        axes[0].plot(a, values, dash, color=colour, label="sigmoid" if label == "LSTM" else label)
    axes[0].set(ylim=(-0.6, 1.6), xlabel="a = W v + b", title="the gate")
    axes[0].legend(loc="lower right", fontsize=8)
    _errors(axes[1], _rows(gates, "squashings"))


def _rows(gates: Mapping[str, Any], which: str) -> list[Mapping[str, Any]]:
    return [{**gates["lstm"], "label": "LSTM"}, *gates[which]]


def _errors(ax: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """A point for every run, and the median of each row."""
    for place, row in enumerate(rows):
        offsets = np.linspace(-0.16, 0.16, len(row["scores"]))
        ax.plot(row["scores"], place + offsets, "o", ms=3.6, mfc="none", mec=BLUE)
        ax.plot([row["error"]] * 2, [place - 0.3, place + 0.3], color=BLACK, lw=1.6)
    ax.set(xscale="log", xlabel="mean squared error on test", title="each run, and the median")
    ax.set_yticks(range(len(rows)), [row["label"] for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="x", which="major", color="#dddddd", lw=0.6)
    ax.set_axisbelow(True)


def _poles(ax: Any, tasks: Sequence[Mapping[str, Any]]) -> None:
    for place, task in enumerate(tasks):
        for values, shift, colour, marker, label in (
            (task["gates"], -0.13, BLUE, "o", "the gate alone: -1/E[log f]"),
            (task["steps"], 0.13, RED, "^", "the whole step: its leading eigenvalue"),
        ):
            spread = np.linspace(-0.08, 0.08, len(values))
            ax.plot(
                values, place + shift + spread, marker, ms=4, mfc="none", mec=colour, label=None if place else label
            )
        ax.plot(
            [task["true"]] * 2, [place - 0.35, place + 0.35], color=BLACK, lw=1.6, label=None if place else "the data"
        )
    ax.set_yticks(range(len(tasks)), [f"fades by {task['fading']:g} a step" for task in tasks])
    ax.set(xscale="log", xlabel="memory in steps", ylim=(len(tasks) - 0.5, -0.9))
    ax.legend(loc="upper left", ncols=3, fontsize=8)
    ax.grid(axis="x", color="#dddddd", lw=0.6)


def _memory(axes: Any, arrays: Mapping[str, Any]) -> None:
    titles = {"near": "a run whose gate does it", "far": "a run that goes another way"}
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        one = arrays[f"memory_{name}"]
        ax.plot(one.lags, one.measured / one.measured[0], color=BLACK, label="gradient, measured")
        ax.plot(one.lags, one.kept / one.measured[0], "--", color=BLUE, label="of it: kept at every step")
        ax.plot(one.lags, one.nominal, ":", color=RED, lw=2, label="product of the forget gates")
        ax.set(yscale="log", ylim=(1e-3, 2), xlabel="steps back", title=title)
    axes[0].legend(loc="lower left", fontsize=8)
