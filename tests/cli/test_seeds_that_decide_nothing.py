"""A sweep says before its first step when its seeds cannot decide anything."""

import pytest

from gatelab.cli.train import train

TINY = ["task=adding", "task.length=2", "task.validation_size=4", "task.test_size=4", "model.hidden_size=2",
        "training.max_steps=1", "training.batch_size=2", "logger=none", "progress=false", "plan_only=true",
        "hydra.launcher.executor=inline"]  # fmt: skip


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        # two sided, the smallest p of n paired seeds is 2/2^n
        (
            ["variant=lstm,gru", "seed=range(5)"],
            "p cannot get below 0.0625, whatever the scores; at least 6 paired seeds",
        ),
        (["variant=lstm,gru,cifg", "seed=range(6)"], "p after Holm's correction cannot get below 0.0625"),
        (["variant=lstm,gru"], "1 paired seed and 1 comparison cannot decide anything at alpha = 0.05"),
        (["variant=lstm,gru", "seed=range(6)"], None),
        (["variant=lstm", "seed=range(2)"], None),
    ],
)
def test_the_note(tmp_path, monkeypatch, capfd, points, sentence):
    monkeypatch.chdir(tmp_path)
    # the note stands before the plan, which takes steps in another process to say what they cost
    monkeypatch.setattr("gatelab.cli.train._print_plan", lambda *_: None)
    assert train(["-m", *points, *TINY]) == 0
    notes = [line for line in capfd.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == (sentence is not None)
    assert all(sentence in note for note in notes)
