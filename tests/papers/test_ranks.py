"""The table of variants by tasks, against ranks found by hand."""

from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.papers.rank_table import ranks_section
from tests.papers.made_up import store_of

TASKS = ("adding", "copying", "delay", "digits", "parity")


def evidence(folder, tasks):
    """Return three runs of three variants on each task; one of lstm diverged."""
    for place, task in enumerate(tasks):
        scores = {"gru": [0.5, 0.6, 0.7], "elman": [0.1 + 0.2 * place] * 3, "lstm": [0.9, 0.9, None]}
        store = store_of(folder, scores, task=task, higher_is_better=True)
    return read_evidence(store, Question(), list(store.results()))


def rows(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_ranks_are_those_of_medians_on_each_task(tmp_path):
    text = ranks_section(evidence(tmp_path / "runs", TASKS))
    header, _, *found = rows(text)
    assert header == ["variant", "average rank", *(f"{task} ↑" for task in TASKS)]
    # elman: 0.1, 0.3, 0.5, 0.7, 0.9 against 0.6 of gru and 0.9 of lstm, one of whose runs diverged: a tie on parity
    assert found[0] == ["lstm", "1.10", *["0.900 (1)"] * 4, "0.900 (1.5)"]
    assert found[1] == ["gru", "2.40", *["0.600 (2)"] * 3, *["0.600 (3)"] * 2]
    assert found[2] == ["elman", "2.50", "0.100 (3)", "0.300 (3)", "0.500 (3)", "0.700 (2)", "0.900 (1.5)"]
    assert "over 5 tasks" in text


def test_four_tasks_have_no_ranks(tmp_path):
    assert ranks_section(evidence(tmp_path / "runs", TASKS[:4])) == ""
