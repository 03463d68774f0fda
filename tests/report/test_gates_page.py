"""The page of what gates do: every diagnostic has its words and drawings, and the drawings show the numbers."""

import re

import numpy as np
import pytest

from gatelab.probes.diagnostics.gate_traces import GateTraces
from gatelab.probes.diagnostics.interventions import Interventions
from gatelab.probes.diagnostics.time_scales import TimeScales
from gatelab.report.gates.drawings import DRAWINGS
from gatelab.report.gates.gates_page import gates_page
from gatelab.report.gates.guides import GUIDES, MORE, TRAINING
from gatelab.report.gates.training_drawings import during_training, ranks_and_gradients

SCALES = {
    "trained": TimeScales("f", np.array([3.0, np.inf, 0.0]), np.ones(3), np.array([2.0, 2.0, 2.0]), None),
    "untrained": TimeScales("f", np.array([1.5, 1.2, 1.0]), np.ones(3), np.array([1.4, 1.4, 1.4]), None),
}
KINDS = ("mean", "one", "zero", "shuffled in time", "shuffled over sequences")


def interfered(change):
    columns = np.full((5, 1), change)
    interval = np.stack([columns - 0.1, columns + 0.1], -1)
    return Interventions(
        "f", "accuracy", True, KINDS, {"all": (0,)}, np.zeros(2), np.zeros((5, 1, 2)), columns, interval
    )  # fmt: skip


CHANGED = {"trained": interfered(-0.4), "untrained": interfered(0.0)}


def page(title="a run", **found):
    return gates_page(title, [{"run": "<b>"}], "few", {"mine": "h_t = x_t"}, found, ["Credit: not defined"])


def test_each_diagnostic_has_drawings_and_words():
    assert list(DRAWINGS) == list(GUIDES)


@pytest.mark.parametrize("guide", GUIDES.values(), ids=list(GUIDES))
def test_two_sentences_on_reading_and_one_on_where_it_misleads(guide):
    for sentence in (*guide.reading, guide.misleads):
        assert sentence.endswith(".")
        assert len(re.findall(r"\.(?:\s|$)", sentence)) == 1, sentence
    assert guide.question.endswith("?")


def test_the_page_lists_only_what_it_has():
    text = page(time_scales=SCALES)
    assert re.findall(r'<section id="(\w+)">', text) == ["equations", "time_scales", "absent"]
    assert "<li>Credit: not defined</li>" in text
    assert re.findall(r'<a href="#(\w+)">', text) == ["time_scales"]


def test_what_is_data_is_escaped():
    text = page(title="<script>", time_scales=SCALES)
    assert "<script>" not in text and "<b>" not in text.split("</header>")[0].split("<dl")[1]


def test_colours_of_drawings_follow_the_page():
    drawing = page(time_scales=SCALES, interventions=CHANGED).split("<figure>", 1)[1]
    assert "var(--blue)" in drawing and "var(--red)" in drawing and "var(--ink)" in drawing
    assert not re.findall(r"#(?:222222|8a8a8a|e4e4e4|ffffff|0072b2|d55e00)", drawing)


def test_the_same_numbers_give_the_same_page():
    assert page(time_scales=SCALES) == page(time_scales=SCALES)


def test_numbers_below_a_drawing():
    text = page(time_scales=SCALES)
    assert "trained: τ is 3 steps in the median unit, 0 and infinitely many at the outer tenths" in text
    assert "untrained: τ is 1.2 steps in the median unit, 1 and 1.5 at the outer tenths" in text


def test_the_direction_of_a_score_is_said():
    assert "change of accuracy (higher is better)" in page(interventions=CHANGED)


def traced(features):
    values = {"i": np.full((5, 2, 3), 0.25), "f": np.full((5, 2, 3), 0.75), "s": np.full((5, 2, 1), 0.5)}
    return GateTraces(values, np.array([2, 0, 1]), "f", np.ones((5, 2, features)), np.array([4, 5]))


@pytest.mark.parametrize(("features", "images"), [(2, 6), (9, 7)])
def test_every_gate_is_traced_and_no_feature_is_left_out(features, images):
    found = traced(features)
    text = page(gate_traces={"trained": found, "untrained": found})
    titles = re.findall(r'aria-label="(Gate [^"]*|What[^"]*)"', text)
    gates = [f"Gate {gate}, {which}" for gate in "fis" for which in ("trained", "untrained")]
    assert titles == [*gates, "What the layer reads, sequence 0"]
    # each image has a bar of its colours, an image too
    assert text.count("<image") == 2 * images
    assert ("feature 1" in text) == (features == 2)


def rows(*decays):
    for step, decay in enumerate(decays, 1):
        yield {"step": step, "split": "train", "loss": 1.0}
        numbers = {"mean": 0.5, "shut": 0.1, "open": 0.2}
        if decay is not None:
            numbers |= {"decay_10": decay / 2, "decay_50": decay, "decay_90": 2 * decay}
        yield {
            "step": step,
            "split": "validation",
            "loss": 1.0,
            **{f"gates/f/{key}": value for key, value in numbers.items()},
        }


def test_the_history_of_gates_is_drawn_for_each_run():
    def titles(**histories):
        return [figure.title for figure in during_training({name: list(each) for name, each in histories.items()})]

    assert titles(one=rows(0.1, 0.01)) == ["Gate f", "Memory by gate f"]
    assert titles(one=rows(None, None), two=rows(0.1, 0.2)) == ["Gate f, one", "Gate f, two", "Memory by gate f, two"]
    assert titles(one=rows(0.1)) == []
    assert titles(one=[{"step": 1, "split": "validation", "loss": 1.0}] * 2) == []


def test_the_page_has_the_section_only_with_a_history():
    drawn = gates_page("a run", [{}], "few", {"mine": "h_t = x_t"}, {}, [], histories={"one": list(rows(0.1, 0.01))})
    assert TRAINING.question in drawn
    assert drawn.count("<figure>") == 2
    assert TRAINING.question not in gates_page("a run", [{}], "few", {"mine": "h_t = x_t"}, {}, [])


def probed(*ranks):
    for row in rows(*[0.1] * len(ranks)):
        if row["split"] == "validation":
            rank = ranks[row["step"] - 1]
            row |= {"gates/f/effective_rank": rank, "gradient/loss/lag_0": 0.5, "gradient/loss/lag_5": 0.1 / rank}
        yield row


def test_ranks_and_gradients_are_drawn_where_a_history_has_them():
    def titles(**histories):
        return [figure.title for figure in ranks_and_gradients({name: list(each) for name, each in histories.items()})]

    assert titles(one=probed(3.0, 2.0)) == ["Effective rank of gates", "Gradient against distance"]
    assert titles(one=rows(0.1, 0.2), two=probed(3.0, 2.0)) == [
        "Effective rank of gates, two", "Gradient against distance, two",
    ]  # fmt: skip
    assert titles(one=rows(0.1, 0.2)) == titles(one=probed(3.0)) == titles(one=[]) == []


def test_a_gradient_that_has_vanished_is_left_out():
    vanished = [{**row, "gradient/loss/lag_5": 0.0, "gradient/loss/lag_10": float("nan")} for row in probed(3.0, 2.0)]
    assert len(ranks_and_gradients({"one": vanished})) == 2


def test_the_page_names_the_key_where_ranks_and_gradients_are_missing():
    def drawn(history):
        return gates_page("a run", [{}], "few", {"mine": "h_t = x_t"}, {}, [], histories={"one": list(history)})

    assert MORE.question in drawn(probed(3.0, 2.0)) and "training.probes=true" not in drawn(probed(3.0, 2.0))
    assert MORE.question not in drawn(rows(0.1, 0.2)) and "training.probes=true" in drawn(rows(0.1, 0.2))
