"""Drawings: what is written in them stays inside, and legends hide nothing. Extents are those that Agg measures."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from gatelab.report.drawing.drawing import WIDTH, add_legend, drawn, plain_ticks, shortened_label
from gatelab.report.drawing.styles import looks


def laid_out(draw, **margins):
    """Draw, and return the axes and a renderer that measures texts."""
    kept = []

    def keep(axes):
        kept.append(axes)
        draw(axes)

    drawn("name", "title", keep, **margins)
    figure = kept[0].get_figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return kept[0], canvas.get_renderer()


@pytest.mark.parametrize("left", [0.75, 2.2])
@pytest.mark.parametrize("length", [10, 40, 90])
def test_a_label_below_stays_inside(left, length):
    axes, renderer = laid_out(lambda axes: axes.set_xlabel(("word " * 20)[:length]), left=left)
    label = axes.xaxis.label.get_window_extent(renderer)
    assert label.x0 >= 0
    assert label.x1 <= WIDTH * axes.get_figure().dpi
    if length == 10:  # which fits below the middle of the axes
        box = axes.get_window_extent(renderer)
        assert (label.x0 + label.x1) / 2 == pytest.approx((box.x0 + box.x1) / 2, abs=0.5)


def plotted(names):
    def draw(axes):
        for place, name in enumerate(names):
            axes.plot([0, 1], [place, place], label=name)
        axes.set_xlabel("steps")
        add_legend(axes, looks(names))

    return draw


def test_a_few_names_stand_between_the_curves():
    axes, renderer = laid_out(plotted(["lstm", "gru"]))
    legend, box = axes.get_legend().get_window_extent(renderer), axes.get_window_extent(renderer)
    assert box.y0 < legend.y0 < legend.y1 < box.y1
    assert axes.get_figure().get_size_inches().tolist() == [WIDTH, 3.2]


@pytest.mark.parametrize("count", [5, 9, 24])
@pytest.mark.parametrize("ending", ["", "_peephole", " z=sigmoid(linear(x, h) + diag(c))"])
def test_many_names_stand_below_the_axes(count, ending):
    names = [f"lstm_{place:02d}{ending}" for place in range(count)]
    axes, renderer = laid_out(plotted(names))
    figure, legend = axes.get_figure(), axes.get_legend().get_window_extent(renderer)
    width, height = figure.get_size_inches() * figure.dpi
    assert legend.y1 <= axes.xaxis.label.get_window_extent(renderer).y0
    assert legend.x0 >= 0
    assert legend.x1 <= width
    assert legend.y0 >= 0
    # the axes have kept their size
    box = axes.get_window_extent(renderer)
    assert box.height == pytest.approx((3.2 - 0.52 - 0.32) * figure.dpi, abs=0.5)
    assert height > 3.2 * figure.dpi
    assert len(axes.get_legend().get_texts()) == count


def test_more_names_than_a_legend_holds_have_none():
    axes, _ = laid_out(plotted([f"v{place}" for place in range(25)]))
    assert axes.get_legend() is None


@pytest.mark.parametrize("low, high", [(1.7, 59), (0.03, 0.9), (4.1, 4.9), (0.5, 3), (21, 49), (1e-6, 3), (0.09, 1.2)])
def test_a_logarithmic_axis_has_two_labels_at_least(low, high):
    def draw(axes):
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        plain_ticks(axes.xaxis)

    axes, _ = laid_out(draw)
    shown = [
        label for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low <= tick <= high
    ]
    assert 2 <= len({label.get_text() for label in shown}) <= 12


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ("lstm optimizer.lr=0.003", "lstm optimizer.lr=0.003"),
        ("min_gru model.num_layers=2", "min_gru num_layers=2"),
        ("lstm opening.max_time=750 optimizer.lr=1e-2", "lstm max_tim…750 lr=1e-2"),
        ("peephole z=linear(x, h) h=o*c", "peephole z=l…x, h) h=o*c"),
        ("lstm i=sigmoid(0.5*x.y)", "lstm i=sigmoid(0.5*x.y)"),
    ],
)
def test_a_long_label_keeps_what_tells_it_from_others(label, short):
    assert shortened_label(label) == short
    assert len(short) <= 24
