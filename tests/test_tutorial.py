"""The tutorial: its numbers are those of its results, and its command does all of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from docs.tutorial import tutorial
from docs.tutorial.trace_task import Trace
from gatelab.tasks.checking import check_task

HERE = Path(__file__).parent.parent / "docs" / "tutorial"


@pytest.fixture(scope="module")
def results():
    return json.loads((HERE / "results.json").read_text(encoding="utf-8"))


def test_the_page_has_the_numbers_of_the_results(results):
    assert (HERE / "what_a_forget_gate_learns.md").read_text(encoding="utf-8") == tutorial.page(results)


def test_no_number_of_a_measurement_stands_in_the_text_itself():
    text = (HERE / "_page.md.jinja").read_text(encoding="utf-8")
    outside = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|`[^`]*`|\$[^$]*\$", "", text)
    prose = [line for line in outside.splitlines() if not line.startswith("    ")]
    decimals = [number for line in prose for number in re.findall(r"\d+\.\d+", line)]
    assert decimals == []


def test_medians_are_those_of_the_runs(results):
    rows = [results["gates"]["lstm"], *results["gates"]["squashings"], *results["gates"]["others"]]
    for row in [*rows, *results["opening"]["rows"]]:
        assert len(row["scores"]) == results["seeds"] == 10
        assert row["error"] == pytest.approx(np.median(row["scores"]), rel=1e-12)
    for task in results["pole"]["tasks"]:
        assert task["true"] == pytest.approx(-1 / np.log(task["fading"]), rel=1e-12)


def test_every_figure_is_there():
    text = (HERE / "what_a_forget_gate_learns.md").read_text(encoding="utf-8")
    figures = set(re.findall(r"\]\((\w+\.svg)\)", text))
    assert figures == {path.name for path in HERE.glob("*.svg")}
    assert sum((HERE / name).stat().st_size for name in figures) < 500_000


def test_the_task_is_the_running_sum():
    task = Trace(length=12, decay=0.5, resets=0.3, validation_size=40, test_size=40)
    batch = task.training_batch(0, 0, 3)
    for sequence in range(3):
        total = 0.0
        for step in range(12):
            number, flag = batch.inputs[step, sequence]
            total = number if flag else 0.5 * total + number
            assert batch.targets[step, sequence, 0] == pytest.approx(total, abs=1e-6)
    many = task.training_batch(0, 0, 40_000).targets
    assert task.chance == pytest.approx((many**2).mean(), rel=0.02)
    check_task(task)


@pytest.mark.parametrize("word", ["sedes=3", "3"])
def test_what_the_command_does_not_know_is_one_line(capsys, word):
    assert tutorial.main([word]) == 2
    assert capsys.readouterr().err == f"{word}: must be one of runs=, out=, seeds=, steps=\n"


@pytest.mark.slow
def test_the_command_does_all_of_it(tmp_path):
    words = [f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'out'}", "seeds=3", "steps=20"]
    environment = {
        "PYTHONPATH": str(HERE.parents[1]),
        "WANDB_MODE": "disabled",
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
    }
    subprocess.run([sys.executable, "-m", "docs.tutorial.tutorial", *words], check=True, env=environment, timeout=600)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        path.name for path in HERE.iterdir() if path.suffix in (".svg", ".md", ".json")
    }
