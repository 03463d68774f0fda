"""A run that was stopped and goes on ends with the same bits as one that was not."""

import csv
import dataclasses
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.store import Stop, Stopped, Store, seal
from gatelab.tasks.memory.adding import Adding
from gatelab.training import recording, train_stack
from gatelab.training.resuming import states
from gatelab.training.stack import network
from tests.training.examples import ADAM, ADDING, COPYING, OPTIMIZERS, configuration, optimizer, outcome

pytestmark = pytest.mark.usefixtures("one_step_at_a_time")


class Poisoned(Adding):
    """The adding problem, with a number that is none in the sixth batch of seed 13."""

    def training_batch(self, seed, step, batch_size):
        batch = super().training_batch(seed, step, batch_size)
        if (seed, step) == (13, 5):
            batch.inputs[2, 1, 0] = np.nan
        return batch


def poisoned(run):
    return dataclasses.replace(run, task=Poisoned(**{key: value for key, value in ADDING.items() if key != "name"}))


class After(Stop):
    """Asks to stop at the n-th question: at every step, every batch of validation and of test there is one."""

    def __init__(self, questions):
        super().__init__(self.count)
        self.left = questions

    def count(self):
        self.left -= 1
        return self.left <= 0


def in_pieces(runs, questions):
    """Train a stack that is stopped again and again; return how often."""
    for stops in range(100):
        try:
            train_stack(runs, stop=After(questions))
        except Stopped:
            continue
        return stops
    raise AssertionError("it never ends")


def check(tmp_path, several, change=lambda run: run, questions=3):
    """Three questions are one at the start, one at the first step, and one at the second, which is not taken."""
    whole = [change(configuration(tmp_path / "whole", **sections)) for sections in several]
    train_stack(whole)
    pieces = [change(configuration(tmp_path / "pieces", **sections)) for sections in several]
    assert in_pieces(pieces, questions) >= 8 // (questions - 2)
    for run in whole:
        assert outcome(tmp_path / "pieces", run.identity) == outcome(tmp_path / "whole", run.identity)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_at_every_step(tmp_path, name):
    check(tmp_path, [{"seed": seed, "optimizer": optimizer(name, lr, 0.02)} for seed, lr in ((0, 0.01), (1, 0.1))])


@pytest.mark.parametrize("variant", ["elman", "gru", "peephole"])
def test_variants_with_dropout_and_schedules(tmp_path, variant):
    model = {"num_layers": 2}
    schedule = {"name": "cosine", "warmup_steps": 3, "final": 0.1}
    several = [
        {"variant": variant, "seed": 0, "model": {**model, "dropout": 0.4}, "schedule": schedule},
        {"variant": variant, "seed": 1, "model": {**model, "dropout": 0.0}},
    ]
    check(tmp_path, several)


@pytest.mark.parametrize("training", [{"truncate": 4}, {"truncate": 3, "update": "step"}])
def test_states_that_are_carried_from_piece_to_piece(tmp_path, training):
    check(tmp_path, [{"task": COPYING, "seed": seed, "training": training} for seed in (0, 1)])


@pytest.mark.parametrize("questions", [4, 5, 7])
def test_steps_between_validations(tmp_path, questions):
    check(tmp_path, [{"training": {"validate_every": 3, "clip_norm": None}}], questions=questions)


def test_a_neighbour_that_diverges_and_one_whose_patience_ends(tmp_path):
    training = {"validate_every": 2, "patience": 1}
    several = [
        {"seed": 0},
        {"seed": 13},
        {"seed": 2, "training": {"validate_every": 3, "patience": 1}, "optimizer": {**ADAM, "lr": 0.9}},
    ]
    check(tmp_path, several, poisoned)
    check(tmp_path / "alone", [{"seed": 13, "training": training}], poisoned, questions=4)


def test_a_stack_can_be_another_one_after_the_stop(tmp_path):
    """Two runs are stopped at different steps, and a third has never begun; they go on together."""
    runs = [configuration(tmp_path / "pieces", seed=seed) for seed in range(3)]
    for run, questions in zip(runs[:2], (4, 7), strict=True):
        with pytest.raises(Stopped):
            train_stack([run], stop=After(questions))
    store = Store(tmp_path / "pieces")
    assert [store.resume_step(run.identity) for run in runs] == [2, 4, 0]
    assert [result.steps for result in train_stack(runs)] == [8, 8, 8]
    train_stack([configuration(tmp_path / "whole", seed=seed) for seed in range(3)])
    for run in runs:
        assert outcome(tmp_path / "pieces", run.identity) == outcome(tmp_path / "whole", run.identity)


def test_a_stack_whose_checkpoints_were_half_written_stays_together(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "SHARE", 1.0)
    runs = [configuration(tmp_path / "pieces", seed=seed, training={"validate_every": 2}) for seed in range(2)]
    with pytest.raises(Stopped):
        train_stack(runs, stop=After(10))
    folder = tmp_path / "pieces" / runs[1].identity / "checkpoint"
    os.replace(folder / "previous.pt", folder / "last.pt")
    store = Store(tmp_path / "pieces")
    first, second = (store.resume_step(run.identity) for run in runs)
    assert first > second > 0
    train_stack(runs)
    whole = [configuration(tmp_path / "whole", seed=seed, training={"validate_every": 2}) for seed in range(2)]
    train_stack(whole)
    for run in runs:
        assert outcome(tmp_path / "pieces", run.identity) == outcome(tmp_path / "whole", run.identity)
    places = [(tmp_path / "pieces" / run.identity / "provenance.json").read_text() for run in runs]
    assert all('"stack_runs": 2' in text and f'"resumed_at": {second}' in text for text in places)


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """A run of which two checkpoints lie in its folder."""
    monkeypatch.setattr(recording, "SHARE", 1.0)
    run = configuration(tmp_path / "pieces", training={"validate_every": 2})
    with pytest.raises(Stopped):
        train_stack([run], stop=After(9))
    assert Store(tmp_path / "pieces").resume_step(run.identity) == 5
    train_stack([configuration(tmp_path / "whole", training={"validate_every": 2})])
    return run


def usable(run):
    shapes = {name: tuple(weight.shape) for name, weight in network(run).named_parameters()}
    return states(Store(run.runs_dir).record(run.identity, run.mapping()), shapes)


def damaged(data, draw):
    place = draw.randrange(len(data))
    match draw.choice(("cut", "flip", "zeros", "longer")):
        case "cut":
            return data[:place]
        case "flip":
            return data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]
        case "zeros":
            return data[:place] + bytes(len(data) - place)
        case _:
            return data[:place] + b"?" + data[place:]


def test_a_damaged_checkpoint_is_never_taken_for_a_good_one(stopped, tmp_path, capsys):
    last = tmp_path / "pieces" / stopped.identity / "checkpoint" / "last.pt"
    data, draw = last.read_bytes(), random.Random(0)
    for _ in range(100):
        broken = damaged(data, draw)
        if broken == data:
            continue
        last.write_bytes(broken)
        assert [(state.file, state.progress.steps) for state in usable(stopped)] == [("previous.pt", 4)]
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{last}: damaged checkpoint, not used: " in line


def test_nobody_waits_for_a_pipe_in_the_place_of_a_checkpoint(stopped, tmp_path):
    last = tmp_path / "pieces" / stopped.identity / "checkpoint" / "last.pt"
    last.unlink()
    os.mkfifo(last)
    with pytest.raises(UserError, match=f"{last}: it is a pipe, not a file"):
        usable(stopped)


@pytest.mark.parametrize("names", [["last.pt"], ["previous.pt"], ["last.pt", "previous.pt"], ["best.pt"]])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", None])
def test_what_is_left_is_enough(stopped, tmp_path, capsys, names, content):
    for name in names:
        path = tmp_path / "pieces" / stopped.identity / "checkpoint" / name
        path.unlink() if content is None else path.write_bytes(content)
    train_stack([stopped])
    assert outcome(tmp_path / "pieces", stopped.identity) == outcome(tmp_path / "whole", stopped.identity)
    warned = 0 if content is None else len([name for name in names if name != "best.pt"])
    assert len(capsys.readouterr().err.splitlines()) == warned


@pytest.mark.parametrize("keep", [0, 1, 100, None])
def test_a_history_that_was_damaged_is_not_built_upon(stopped, tmp_path, capsys, keep):
    path = tmp_path / "pieces" / stopped.identity / "metrics.jsonl"
    text = path.read_text()
    path.write_text(text.replace('"step": 2', '"step": 3') if keep is None else text[:keep])
    train_stack([stopped])
    assert outcome(tmp_path / "pieces", stopped.identity) == outcome(tmp_path / "whole", stopped.identity)
    assert len(capsys.readouterr().err.splitlines()) == 2


class Evil:
    """What pickle would run."""

    def __reduce__(self):
        return os.system, ("touch was-run",)


def test_a_checkpoint_cannot_run_anything(stopped, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    last = tmp_path / "pieces" / stopped.identity / "checkpoint" / "last.pt"
    torch.save({"step": 5, "weights": Evil()}, last)
    last.write_bytes(seal(last.read_bytes(), 5))
    assert [state.file for state in usable(stopped)] == ["previous.pt"]
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("content", [{}, [], {"format": 1}, {"format": 1, "step": 6}, {"format": 2, "step": 5}])
def test_a_checkpoint_of_something_else_is_not_used(stopped, tmp_path, capsys, content):
    last = tmp_path / "pieces" / stopped.identity / "checkpoint" / "last.pt"
    torch.save(content, last)
    last.write_bytes(seal(last.read_bytes(), 5))
    assert [state.file for state in usable(stopped)] == ["previous.pt"]
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_loggers_begin_with_what_was_before_the_stop(tmp_path):
    lines = {}
    for name in ("whole", "pieces"):
        run = configuration(tmp_path / name, logger={"csv": {}}, training={"validate_every": 2})
        if name == "whole":
            train_stack([run])
        else:
            in_pieces([run], 6)
        with (tmp_path / name / run.identity / "csv" / "metrics.csv").open() as file:
            lines[name] = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    assert lines["pieces"] == lines["whole"]
    assert [line["step"] for line in lines["whole"]] == ["2", "4", "6", "8", "8"]


SIGNALLED = """
import sys
from pathlib import Path
from gatelab.tasks.memory.adding import Adding
from gatelab.training import Stopped, train_stack
from tests.training.examples import configuration

drawn = Adding.training_batch

def told(self, seed, step, batch_size):
    if (step, seed) == (20, 0):
        print("now", flush=True)
    return drawn(self, seed, step, batch_size)

Adding.training_batch = told
training = {"max_steps": 100000, "validate_every": 30}
try:
    train_stack([configuration(Path(sys.argv[1]), seed=seed, training=training) for seed in (0, 1)])
except Stopped as stopped:
    print(stopped)
    sys.exit(stopped.status)
"""


@pytest.mark.parametrize("signum, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_process_in_order_and_soon(tmp_path, signum, status):
    command = [sys.executable, "-c", SIGNALLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "now\n"
        begun = time.monotonic()
        process.send_signal(signum)
        out, err = process.communicate(timeout=30)
    assert time.monotonic() - begun < 30
    assert process.returncode == status, err
    assert out.startswith("stopped 2 runs after step ") and out.endswith("; the same command goes on from there\n")
    assert "Traceback" not in err
    training = {"max_steps": 100000, "validate_every": 30}
    store = Store(tmp_path)
    steps = {store.resume_step(configuration(tmp_path, seed=seed, training=training).identity) for seed in (0, 1)}
    # a Trainer draws batches ahead
    assert len(steps) == 1 and steps.pop() >= 18


class Interrupted(Adding):
    """The adding problem, in whose fifth batch something happens."""

    def training_batch(self, seed, step, batch_size):
        if step == 4:
            HAPPENS[0]()
        return super().training_batch(seed, step, batch_size)


HAPPENS = [lambda: None]


def interrupted(runs_dir, happens):
    HAPPENS[0] = happens
    task = {name: value for name, value in ADDING.items() if name != "name"}
    return dataclasses.replace(configuration(runs_dir), task=Interrupted(**task))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_and_the_handlers_are_given_back(tmp_path, signum):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run = interrupted(tmp_path, lambda: os.kill(os.getpid(), signum))
    with pytest.raises(Stopped) as error:
        train_stack([run])
    assert error.value.status == 128 + signum
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    store = Store(tmp_path)
    assert store.finished(run.identity) is None
    # a Trainer draws batches ahead, and a direct step comes to its end
    assert store.resume_step(run.identity) in (3, 4, 5)
    assert store.owner(run.identity) is None


def test_the_second_ctrl_c_ends_at_once(tmp_path):
    handler = signal.getsignal(signal.SIGINT)

    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("still there")

    run = interrupted(tmp_path, twice)
    with pytest.raises(KeyboardInterrupt):
        train_stack([run])
    assert signal.getsignal(signal.SIGINT) is handler
    HAPPENS[0] = lambda: None
    assert [result.steps for result in train_stack([run])] == [8]


def test_a_stop_asked_for_from_elsewhere(tmp_path):
    stop = Stop()
    run = interrupted(tmp_path, stop.request)
    with pytest.raises(Stopped) as error:
        train_stack([run], stop=stop)
    assert error.value.status == 143
