"""Marginal plots: nothing is drawn where it was not measured, and medians are of true scores."""

import pytest
from matplotlib.figure import Figure as Canvas

from gatelab.evidence.analysis import analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.report.drawing.styles import looks
from gatelab.report.sections import marginals as section
from gatelab.store import Store
from tests.report.made import add

RATES = (0.001, 0.01, 0.1)
BEST = {0.001: 0.8, 0.01: 0.9, 0.1: 0.7}


def panel(store, monkeypatch, **question):
    """Return caption and axes of the panel of the learning rate, of two keys that were searched."""
    kept = {}

    def keep(name, title, draw):
        axes = Canvas().add_subplot()
        draw(axes)
        kept[title] = axes

    monkeypatch.setattr(section, "drawn", keep)
    analysis = analyse(read_evidence(store, Question(baseline="lstm", **question), store.results()))
    found = section.marginals(analysis, ["adding"], dict(looks(analysis.evidence.labels)), {"adding": "adding"})
    return found.caption, kept["adding: optimizer.lr"]


def trial(store, rate, batch, validation, **fields):
    settings = {"optimizer.lr": rate, "training.batch_size": batch}
    add(store, test=validation, validation=validation, settings=settings, **fields)


def searched(folder, **chance):
    """Write five settings of each rate: 0.8, 0.9 and 0.7 and up to 0.04 more."""
    store = Store(folder)
    for rate in RATES:
        for batch in range(5):
            trial(store, rate, batch, BEST[rate] + 0.01 * batch, **chance)
    return store


def marks(axes):
    return [line for line in axes.lines if line.get_gid() and ".r" in line.get_gid()]


def middle(axes):
    (line,) = [line for line in axes.lines if line.get_label() == "lstm"]
    return dict(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))


def test_everything_inside_stands_where_it_was_measured(tmp_path, monkeypatch):
    caption, axes = panel(searched(tmp_path), monkeypatch)
    drawn = sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in marks(axes))
    expected = [(rate, BEST[rate] + 0.01 * batch) for rate in RATES for batch in range(5)]
    assert drawn == [pytest.approx(place) for place in expected]
    assert middle(axes) == pytest.approx({0.001: 0.82, 0.01: 0.92, 0.1: 0.72})
    assert "cross" not in caption
    assert "Arrow" not in caption


def test_a_score_beyond_the_axis_is_an_arrow_and_counts_with_its_true_value(tmp_path, monkeypatch):
    store = Store(tmp_path)
    for rate, scores in ((0.001, [0.8] * 20), (0.01, [0.9] * 20), (0.1, [-100.0, -90.0, -80.0, 0.7])):
        for batch, score in enumerate(scores):
            trial(store, rate, batch, score)
    caption, axes = panel(store, monkeypatch)
    bottom, _ = axes.get_ylim()
    assert bottom > -1
    assert middle(axes)[0.1] == -85
    arrows = [line for line in marks(axes) if line.get_ydata()[0] == 0.03]
    assert [line.get_xdata()[0] for line in arrows] == [0.1] * 3
    assert all(line.get_transform() != axes.transData for line in arrows)
    assert "Arrow" in caption
    assert "cross" not in caption


@pytest.mark.parametrize("policy, score", [("worst", (0.95 + 0.1) / 2), ("separate", 0.95)])
def test_a_diverged_run_counts_as_everywhere(policy, score, tmp_path, monkeypatch):
    store = searched(tmp_path)
    trial(store, 0.01, 5, 0.95)
    trial(store, 0.01, 5, 0.95, seed=1, failed=True)
    caption, axes = panel(store, monkeypatch, diverged=policy)
    (cross,) = [line for line in marks(axes) if line.get_marker() == "x"]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == pytest.approx((0.01, score))
    assert "A cross is a setting with a diverged run" in caption


def test_a_setting_without_a_score_stands_at_the_margin_and_in_no_median(tmp_path, monkeypatch):
    store = searched(tmp_path)
    for batch in (5, 6, 7, 8, 9, 10):
        trial(store, 0.1, batch, 0.5, failed=True)
    _, axes = panel(store, monkeypatch, diverged="separate")
    crosses = [line for line in marks(axes) if line.get_marker() == "x"]
    assert {(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses} == {(0.1, 0.03)}
    assert middle(axes)[0.1] == pytest.approx(0.72)


def test_the_legend_has_the_markers_of_the_settings(tmp_path, monkeypatch):
    _, axes = panel(searched(tmp_path), monkeypatch)
    (handle,) = axes.get_legend().legend_handles
    assert handle.get_marker() == marks(axes)[0].get_marker() == "o"
