"""What stands beside the drawings: captions of what is seen, legends with markers, blocks with the room they need."""

import pytest
from matplotlib.figure import Figure as Canvas

from gatelab.evidence.analysis import analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.report.drawing.styles import looks
from gatelab.report.html.render import breakable, widths
from gatelab.report.sections import across as section_across
from gatelab.report.sections import learning_curves
from gatelab.report.sections.across import chances_to_beat
from gatelab.report.sections.every_run import dots
from gatelab.report.sections.parts import Figure, Figures, Tabular, Text
from gatelab.report.tables import Column, Table
from gatelab.statistics import performance_profile
from gatelab.store import Store
from tests.report.made import add, paired


def analysed(store):
    return analyse(read_evidence(store, Question(baseline="lstm"), store.results()))


def seen(analysis):
    return dict(looks(analysis.evidence.labels))


@pytest.mark.parametrize(
    "test, failed, words",
    [
        (0.5, False, "its line is the median."),
        (0.12, False, "its line is the median. Dotted: chance."),
        (0.5, True, "its line is the median. A cross at the margin is a run that diverged."),
        (1.0, False, "its line is the median. Dashed: a network without mistakes."),
    ],
)
def test_a_caption_explains_what_is_seen_and_nothing_else(test, failed, words, tmp_path):
    store = Store(tmp_path)
    for seed in range(3):
        add(store, seed=seed, test=test - 0.01 * seed)
    if test == 0.12:
        add(store, seed=3, test=0.09)
    if failed:
        add(store, seed=3, failed=True)
    analysis = analysed(store)
    (block,) = dots(analysis, seen(analysis)).blocks
    assert block.caption.endswith(words)


def test_curves_are_named_with_their_markers(tmp_path, monkeypatch):
    kept = []

    def keep(name, title, draw, **margins):
        axes = Canvas().add_subplot()
        draw(axes)
        kept.append([handle.get_marker() for handle in axes.get_legend().legend_handles])

    monkeypatch.setattr(learning_curves, "drawn", keep)
    analysis = analysed(paired(tmp_path, {"gru": [0.1, 0.2]}))
    learning_curves.curves(analysis, seen(analysis))
    assert kept == [["o", "s"]] * 2


def test_forms_of_a_task_are_one_vote_in_who_beats_whom(tmp_path):
    store = Store(tmp_path)
    for place in range(3):
        add(store, task=f"adding length={place}", test=0.5)
        add(store, task=f"adding length={place}", label="gru", test=0.6)
    add(store, task="digits", test=0.6)
    add(store, task="digits", label="gru", test=0.5)
    analysis = analysed(store)
    forms = {"adding": [f"adding length={place}" for place in range(3)], "digits": ["digits"]}
    # one task each
    assert chances_to_beat(analysis, ["lstm", "gru"], forms)[0, 1] == 0.5


def test_forms_of_a_task_are_one_task_in_profiles(tmp_path, monkeypatch):
    store = Store(tmp_path)
    for label in ("lstm", "gru"):
        for task in ("adding length=1", "adding length=2", "adding length=3", "digits"):
            add(store, task=task, label=label, test=0.55)
    given = []

    def keep(scores, thresholds, **drawing):
        given.append([sample.values.tolist() for sample in scores])
        return performance_profile(scores, thresholds, **drawing)

    monkeypatch.setattr(section_across, "performance_profile", keep)
    analysis = analysed(store)
    section_across.across(analysis, seen(analysis))
    # chance is 0.1, perfect is 1
    assert given == [[[pytest.approx(0.5)] * 3, [pytest.approx(0.5)]]] * 2


def test_a_name_breaks_after_an_underscore_and_stays_text():
    assert breakable("no_forget_<b>") == "no_<wbr>forget_<wbr>&lt;b&gt;"


def figures(*views):
    return Figures(tuple(Figure(f"name{place}", "title", "<svg/>", b"", view) for place, view in enumerate(views)), "")


def table(columns, *, folded=False):
    return Tabular("table", "", Table([Column(str(place), (str(place),)) for place in range(columns)], []), folded)


@pytest.mark.parametrize(
    "blocks, expected",
    [
        ([figures("")], ["beside"]),
        ([figures("", "")], ["whole"]),
        ([figures("steps", "seconds"), table(6)], ["half", "half"]),
        ([figures("", ""), table(6)], ["whole", "whole"]),
        ([figures(""), figures(""), table(9, folded=True)], ["half", "half", "whole"]),
        ([figures(""), table(12)], ["beside", "whole"]),
        ([Text.of("flag"), table(5), figures(""), table(5), table(5)], ["whole", "whole", "half", "half", "whole"]),
    ],
)
def test_a_lone_figure_has_something_beside_it(blocks, expected):
    assert widths(blocks) == expected
