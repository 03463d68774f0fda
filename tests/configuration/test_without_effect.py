"""Settings that cannot work are refused, and those without effect are reported, once per sweep."""

from functools import cache

import pytest

from gatelab.cli.train import train
from gatelab.configuration import composed
from gatelab.configuration.without_effect import check_swept, notes
from gatelab.errors import UserError
from gatelab.sweeps import ExecutorOptions
from gatelab.sweeps.launcher_options import cores
from gatelab.sweeps.notes import idle_words, of_kernels, of_launcher, of_runs
from tests.faults.sweeping import SMALL

REFUSED = {
    "optimizer=sgd optimizer.momentum=2": "optimizer.momentum=2: must be at least 0 and below 1",
    "optimizer=sgd optimizer.momentum=1 optimizer.nesterov=false": "optimizer.momentum=1: must be at least 0 and below "
    "1",
    "optimizer=sgd optimizer.nesterov=false +optimizer.dampening=1": "optimizer.dampening=1: must be at least 0 and "
    "below 1",
    "optimizer=rmsprop optimizer.alpha=1": "optimizer.alpha=1: must be at least 0 and below 1",
    "optimizer.eps=0": "optimizer.eps=0: must be above 0; a gradient of 0 would make a weight NaN",
    "optimizer.lr=1e39": "optimizer.lr=1e+39: must be at most 3.4e+38",
    "optimizer.weight_decay=1e39": "optimizer.weight_decay=1e+39: must be at most 3.4e+38",
    "optimizer=adamw optimizer.lr=0.1 optimizer.weight_decay=10": "optimizer.weight_decay=10: must be below 10, one "
    "over optimizer.lr; every step would take all of each weight away, or more",
    "schedule.warmup_steps=11 training.max_steps=10": "schedule.warmup_steps=11: must be at most "
    "training.max_steps=10; the learning rate would never reach optimizer.lr",
    "task=digits training.stop_at=2": "training.stop_at=2: must be at most 1, the best accuracy that task 'digits' "
    "has; none is above it",
    "task=adding training.stop_at=-1": "training.stop_at=-1: must be at least 0, the best mean squared error that task "
    "'adding' has; none is below it",
    "task=embedded_reber training.stop_at=1 training.stop_on=both": "training.stop_on=both: task 'embedded_reber' "
    "draws new training sequences without end; must be validation, or task.training_size a number",
    "seed=18446744073709551616": "seed=18446744073709551616: must be at most 9223372036854775807",
    "threads=1000000": "threads=1000000: must be at most 4096",
    "training.max_steps=1e30": "training.max_steps=1000000000000000019884624838656: must be at most 1099511627776",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_work_is_refused(words):
    with pytest.raises(UserError) as refused:
        composed(words.split())
    assert str(refused.value) == REFUSED[words]


@pytest.mark.parametrize(
    "words",
    [
        "optimizer=sgd optimizer.momentum=0 optimizer.nesterov=false",
        "schedule.warmup_steps=10 training.max_steps=10",
        "task=digits training.stop_at=1",
        "task=adding training.stop_at=0",
        "seed=9223372036854775807",
        "optimizer=adamw optimizer.lr=0.1 optimizer.weight_decay=9",
    ],
)
def test_what_just_works_is_not(words):
    composed(words.split())


ONE_LAYER = "model.num_layers=1 has no layer between"
IDLE = {
    "": [],
    "training.max_steps=10": [],
    "model.dropout=0.3": [f"model.dropout=0.3 has no effect: {ONE_LAYER}"],
    "model.dropout=0.3 model.num_layers=2": [],
    "model.match_size=32 model.match_to=gru": [
        "model.match_to=gru has no effect: model.match=null",
        "model.match_size=32 has no effect: model.match=null",
    ],
    "variant=gru model.match=parameters model.match_size=32 model.hidden_size=7": [
        "model.hidden_size=7 has no effect: model.match=parameters finds the width, from model.match_size=32"
    ],
    "variant=gru model.match=parameters model.hidden_size=7": [],
    "task=digits training.stop_on=both training.reduce=sum": [
        "training.stop_on=both has no effect: training.stop_at=null",
        "training.reduce=sum has no effect: task 'digits' has one prediction for each sequence",
    ],
    "training.max_steps=100 training.validate_every=200 training.stop_at=0.05": [
        "training.stop_at=0.05 has no effect: the only validation comes after the last step",
        "training.validate_every=200 has no effect: training.max_steps=100, after which there is a validation in any "
        "case",
    ],
    "training.max_steps=1000 training.validate_every=100 training.patience=9": [
        "training.patience=9 has no effect: it would run out after the last step at the earliest: 10 validations"
    ],
    "training.max_steps=1000 training.validate_every=100 training.patience=8": [],
    "+schedule.final=0.5": ["schedule.final=0.5 has no effect: schedule.name=constant"],
    "schedule=cosine schedule.final=1": [
        "schedule.name=cosine has no effect: schedule.final=1 leaves the learning rate as it is"
    ],
    "schedule=linear schedule.warmup_steps=10 training.max_steps=10": [
        "schedule.name=linear has no effect: schedule.warmup_steps=10 takes all of training.max_steps=10"
    ],
    "+schedule.drop=0.5": ["schedule.drop=0.5 has no effect: schedule.name=constant"],
    "schedule=plateau training.max_steps=1000 training.validate_every=100": [
        "schedule.name=plateau has no effect: schedule.patience=10 has not run out before the last of 10 validations"
    ],
    "schedule=plateau schedule.patience=2 training.max_steps=1000 training.patience=2": [
        "schedule.name=plateau has no effect: training.patience=2 ends a run before schedule.patience=2 has run out"
    ],
    "optimizer=sgd optimizer.momentum=0 optimizer.nesterov=false optimizer.normalize_momentum=true "
    "+optimizer.dampening=0.5": [
        "optimizer.normalize_momentum=true has no effect: optimizer.momentum=0",
        "optimizer.dampening=0.5 has no effect: optimizer.momentum=0",
    ],
    "+optimizer.decoupled_weight_decay=true": [
        "optimizer.decoupled_weight_decay=true has no effect: optimizer.weight_decay=0"
    ],
    "optimizer.lr=0": [
        "optimizer._target_=torch.optim.Adam has no effect: optimizer.lr=0: weights stay as they start"
    ],
    "optimizer.lr=1e9": ["optimizer.lr=1e+09: weights will leave every scale in a few steps"],
    "opening=given": ["opening.name=given has no effect: opening.retain, write and expose are null"],
    "opening=given opening.retain=1 variant=elman": [
        "opening.retain=[1.0] has no effect: variant 'elman' has no gates"
    ],
    "task.length=20 task.test_length=20": ["task.test_length=20 has no effect: task.length=20 is the same"],
    "task.length=20 task.test_length=30": [],
    "task=pmnist task.permutation=bit_reversal task.permutation_seed=3": [
        "task.permutation_seed=3 has no effect: task.permutation=bit_reversal"
    ],
    "training.stop_at=0.99": [
        "training.stop_at=0.99 is no better than 0.167, what predicting 1 always scores on task 'adding': a run may "
        "stop at its first validation"
    ],
    "model.hidden_size=2 opening=given opening.write=[1,2,3]": [
        "opening.write has 3 numbers for 2 units: the last 1 are not used"
    ],
    "stack.size=4": ["stack.size=4 has no effect: 1 run will be trained"],
}  # fmt: skip


def given(words):
    """Return a run with what its mapping says of the width."""
    asked = dict(word.split("=") for word in words if word.startswith("model."))
    model = {name: int(asked[f"model.{name}"]) for name in ("hidden_size", "match_size") if f"model.{name}" in asked}
    return run(tuple(words)), {"model": model}


@cache
def run(words):
    return composed(words)


@pytest.mark.parametrize("words", IDLE)
def test_what_has_no_effect_is_told(words):
    one, mapping = given(["task=adding", *words.split()])
    assert list(of_runs([one], [mapping])) == IDLE[words]


def sweep(*points):
    return tuple(zip(*(given(["task=adding", *words.split()]) for words in points), strict=True))


def test_a_sweep_is_told_once_with_how_many_points():
    rates = (0.1, 0.2, 0.3, 0.4, 0.5)
    points = sweep(*(f"model.dropout={rate} model.num_layers={n}" for rate in rates for n in (1, 2)))
    assert notes(*points) == [f"model.dropout=0.1, 0.2, 0.3, … (2 more) has no effect: {ONE_LAYER} (in 5 of 10 points)"]


def test_points_that_are_the_same_run_are_counted():
    assert list(of_runs(*sweep("seed=1", "seed=1", "seed=2"))) == [
        "3 points are 2 runs: the others are one of these again"
    ]


@pytest.mark.parametrize(
    ("points", "line"),
    [
        (
            ("model.dropout=0.0", "model.dropout=0.3"),
            f"model.dropout is swept over 0, 0.3 and has no effect in any point: {ONE_LAYER}",
        ),
        (
            ("training.patience=null", "training.patience=20"),
            "training.patience is swept over null, 20 and has no effect in any point: it would run out after the last "
            "step at the earliest: 10 validations",
        ),
    ],
)
def test_a_sweep_over_what_has_no_effect_is_refused(points, line):
    with pytest.raises(UserError) as refused:
        check_swept(*sweep(*points))
    assert str(refused.value) == line


@pytest.mark.parametrize(
    "points",
    [
        ("model.dropout=0.3", "model.dropout=0.3 seed=1"),
        ("model.dropout=0.0", "model.dropout=0.3 model.num_layers=2"),
        ("training.patience=2", "training.patience=20"),
        ("optimizer.lr=0.0", "optimizer.lr=0.1"),
    ],
)
def test_a_sweep_in_which_some_point_differs_is_not(points):
    check_swept(*sweep(*points))


def test_the_command_refuses_and_tells(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quick = [*SMALL, "hydra.launcher.executor=inline", "training.max_steps=2", "training.validate_every=1"]
    with pytest.raises(UserError, match=r"^model\.dropout is swept over 0\.1, 0\.2 and has no effect in any point: "):
        train([*quick, "model.dropout=0.1,0.2"])
    assert list(tmp_path.iterdir()) == []
    assert train([*quick, "model.dropout=0.1", "seed=1,2", "hydra.launcher.workers=3"]) == 0
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")] == [
        f"note: model.dropout=0.1 has no effect: {ONE_LAYER} (in 2 of 2 points)",
        "note: hydra.launcher.workers=3 has no effect: hydra.launcher.executor=inline trains in this process, one "
        "stack after another",
    ]


LAUNCHERS = {
    "executor=processes": ({}, []),
    "ray without ray": (
        {"ray": {"address": "auto"}},
        ["hydra.launcher.ray.address=auto has no effect: hydra.launcher.executor=processes"],
    ),
    "a queue without submitit": (
        {"executor": "inline", "submitit": {"mem_gb": 4}},
        ["hydra.launcher.submitit.mem_gb=4.0 has no effect: hydra.launcher.executor=inline"],
    ),
    "a queue of this machine": (
        {"executor": "submitit", "submitit": {"cluster": "local", "slurm_partition": "gpu"}},
        [
            "hydra.launcher.submitit.slurm_partition=gpu has no effect: hydra.launcher.submitit.cluster=local has no "
            "queue"
        ],
    ),
    "a limit that nobody keeps": (
        {"executor": "inline", "limit_minutes": 5},
        [
            "hydra.launcher.limit_minutes=5.0 has no effect: hydra.launcher.executor=inline trains in this process, "
            "one stack after another"
        ],
    ),
    "silence that nobody hears": (
        {"executor": "ray", "silent_minutes": 5},
        ["hydra.launcher.silent_minutes=5.0 has no effect: hydra.launcher.executor=ray does not see the steps of a "
         "stack"],
    ),
    "more workers than runs": (
        {"workers": 3},
        ["hydra.launcher.workers=3 are more than the 2 runs there are"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAUNCHERS)
def test_options_of_the_launcher(name, monkeypatch):
    monkeypatch.setattr("gatelab.sweeps.notes.cores", lambda: 8)
    options, lines = LAUNCHERS[name]
    assert list(of_launcher(ExecutorOptions(**options), sweep("seed=1", "seed=2")[0])) == lines


def test_threads_beyond_the_cores(monkeypatch):
    monkeypatch.setattr("gatelab.sweeps.notes.cores", lambda: 2)
    runs = sweep("threads=4", "threads=4 seed=1", "threads=4 seed=2")[0]
    assert list(of_launcher(ExecutorOptions(), runs)) == [
        "threads=4: this process has 2 cores; more threads than cores make training slower"
    ]
    runs = sweep("threads=2", "threads=2 seed=1", "threads=2 seed=2")[0]
    assert list(of_launcher(ExecutorOptions(workers=3), runs)) == [
        "hydra.launcher.workers=3: this process has 2 cores; 3 workers of 2 threads make each other slower"
    ]
    assert cores() >= 1


def test_kernels_of_a_gpu_are_compiled_before_the_first_step():
    runs = sweep("path=triton", "path=triton seed=1", "path=triton model.hidden_size=7", "seed=3")[0]
    line = "path=triton: kernels of {} are compiled and measured before their first step, which may take half "
    line += "a minute a shape, unless this machine did so before"
    assert list(of_kernels(runs)) == [line.format("2 shapes")]
    assert list(of_kernels(runs[:2])) == [line.format("one shape")]
    assert list(of_kernels(runs[3:])) == []


def test_options_of_sweeps_in_a_single_run():
    words = ["seed=1", "hydra.launcher.workers=2", "hydra/sweeper=optuna_search"]
    assert list(idle_words(words)) == [
        "hydra.launcher.workers=2 has no effect: a sweep needs -m",
        "hydra/sweeper=optuna_search has no effect: a sweep needs -m",
    ]
    assert list(idle_words(["-m", *words])) == []
