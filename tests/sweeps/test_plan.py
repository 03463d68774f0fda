"""What a sweep has to do: what is finished left out, the rest grouped by shape."""

import pytest

from gatelab.configuration import composed, run_configuration
from gatelab.errors import UserError
from gatelab.keys import STACKABLE
from gatelab.language.sizes import DRAWN
from gatelab.store import Store
from gatelab.sweeps import plan
from tests.store.examples import example

SMALL = ["task=adding", "task.length=3", "task.validation_size=2", "task.test_size=2", "training.batch_size=2",
         "model.hidden_size=2", "logger=none"]  # fmt: skip


@pytest.fixture
def runs_dir(tmp_path):
    return str(tmp_path / "runs")


@pytest.fixture
def point(runs_dir):
    return lambda *overrides: composed([*SMALL, f"runs_dir={runs_dir}", *overrides])


def seeds(work):
    return [[configuration.seed for configuration in stack] for stack in work.stacks]


def test_runs_of_equal_shapes_are_one_stack_in_order(point, tmp_path):
    work = plan([point(f"seed={seed}") for seed in (3, 1, 2)])
    assert seeds(work) == [[3, 1, 2]]
    assert work.finished == {}
    assert list(tmp_path.iterdir()) == []


def test_what_is_finished_is_left_out(point, runs_dir):
    points = [point(f"seed={seed}") for seed in range(3)]
    done = example(identity=points[1].identity, seed=1)
    Store(runs_dir).record(done.identity, points[1].mapping()).finish(done)
    begun = points[2]
    Store(runs_dir).record(begun.identity, begun.mapping())
    work = plan(points)
    assert work.finished == {done.identity: done}
    assert seeds(work) == [[0, 2]]
    assert plan([points[1]]).stacks == []


def test_a_point_that_comes_twice_is_one_run(point):
    assert seeds(plan([point("seed=1"), point("seed=2"), point("seed=1", "device=auto")])) == [[1, 2]]


LIMIT = ["training.stop_at=0.9", "task.training_size=8"]

STACKED = {
    "seed": [["seed=0"], ["seed=1"]],
    "opening": [["opening=default"], ["opening=one"], ["opening=chrono"], ["opening=chrono", "opening.max_time=9"]],
    "optimizer.lr": [["optimizer.lr=0.1"], ["optimizer.lr=0.2"]],
    "optimizer.weight_decay": [["optimizer.weight_decay=0"], ["optimizer.weight_decay=0.1"]],
    "optimizer.betas": [["optimizer.betas=[0.9,0.999]"], ["optimizer.betas=[0.5,0.9]"]],
    "optimizer.momentum": [["optimizer=sgd", "optimizer.momentum=0.9"], ["optimizer=sgd", "optimizer.momentum=0.5"]],
    "optimizer.alpha": [["optimizer=rmsprop", f"++optimizer.alpha={alpha}"] for alpha in (0.9, 0.99)],
    "optimizer.rho": [
        ["++optimizer._target_=torch.optim.Adadelta", "~optimizer.betas", "~optimizer.eps", f"+optimizer.rho={rho}"]
        for rho in (0.9, 0.95)
    ],
    "optimizer.eps": [["optimizer.eps=1e-8"], ["optimizer.eps=1e-7"]],
    "schedule": [["schedule=constant"], ["schedule=cosine"], ["schedule=linear", "schedule.warmup_steps=2"]],
    "training.clip_norm": [["training.clip_norm=1"], ["training.clip_norm=null"]],
    "training.patience": [["training.patience=null"], ["training.patience=2"]],
    "optimizer.normalize_momentum": [
        ["optimizer=sgd", f"optimizer.normalize_momentum={on}"] for on in ("true", "false")
    ],
    "training.stop_at": [["training.stop_at=null"], ["training.stop_at=0.9"]],
    "training.input_noise": [["training.input_noise=0"], ["training.input_noise=0.5"]],
    "training.weight_noise": [["training.weight_noise=0"], ["training.weight_noise=0.075"]],
    "model.initial": [[], ["model.initial=normal", "model.initial_scale=0.1"]],
    "model.initial_scale": [["model.initial=uniform", f"model.initial_scale={scale}"] for scale in (0.1, 0.2)],
    "model.dropout": [["model.dropout=0"], ["model.dropout=0.5"]],
    # without any there is no mask in the equations
    **{f"model.{word}": [[f"model.{word}={rate}"] for rate in (0.1, 0.5)] for word in DRAWN},
    # no part of the identity: of one seed they are one run
    "training.probes": [["training.probes=false", "seed=0"], ["training.probes=true", "seed=1"]],
    "training.reduce": [["training.reduce=mean"], ["training.reduce=sum"]],
    "training.stop_on": [[*LIMIT, "training.stop_on=validation"], [*LIMIT, "training.stop_on=both"]],
}


def test_every_stackable_key_is_tried_here():
    assert set(STACKED) == set(STACKABLE)


@pytest.mark.parametrize("key", STACKED)
def test_stackable_keys_share_a_stack(point, key):
    points = [point(*overrides) for overrides in STACKED[key]]
    assert [len(stack) for stack in plan(points).stacks] == [len(points)]


def test_names_and_citations_of_equal_equations_share_a_stack(point):
    assert [len(stack) for stack in plan([point(), point("variant.name=mine")]).stacks] == [2]


@pytest.mark.parametrize(
    "overrides",
    [
        ["variant=gru"],
        ["variant.equations.i=1 - f"],
        ["task=copying"],
        ["task.length=4"],
        ["task.data_seed=1"],
        ["optimizer=rmsprop"],
        ["+optimizer.amsgrad=true"],
        ["model.hidden_size=3"],
        ["model.num_layers=2"],
        ["model.bidirectional=true"],
        ["training.max_steps=7"],
        ["training.batch_size=3"],
        ["training.devices=2"],
        ["training.validate_every=7"],
        ["path=loop"],
        ["device=cpu"],
        ["threads=2"],
        ["stack.size=2"],
        ["logger=csv"],
    ],
    ids=" ".join,
)
def test_every_other_key_splits_stacks(point, overrides):
    stacks = plan([point(), point("seed=1", *overrides), point("seed=2")]).stacks
    assert [[configuration.seed for configuration in stack] for stack in stacks] == [[0, 2], [1]]


def test_the_size_of_stacks_is_respected(point):
    work = plan([point(f"seed={seed}", "stack.size=3") for seed in range(7)])
    assert seeds(work) == [[0, 1, 2], [3, 4, 5], [6]]
    assert seeds(plan([point(f"seed={seed}", "stack.size=1") for seed in range(2)])) == [[0], [1]]


def test_an_automatic_size_is_at_most_64(point):
    small = point()
    many = [small] + [reseeded(small, seed) for seed in range(1, 130)]
    assert [len(stack) for stack in plan(many).stacks] == [64, 64, 2]


def reseeded(configuration, seed):
    return run_configuration({**configuration.mapping(), "seed": seed})


def test_an_automatic_size_of_huge_runs_is_smaller_and_never_below_1(point):
    large = ["model.hidden_size=2048", "training.batch_size=64", "task.length=100"]
    sizes = [len(stack) for stack in plan([point(f"seed={seed}", *large) for seed in range(6)]).stacks]
    assert sizes[0] < 6
    assert min(sizes) >= 1
    assert sum(sizes) == 6
    huge = ["model.hidden_size=60000", "training.batch_size=64", "task.length=100"]
    assert [len(stack) for stack in plan([point(f"seed={seed}", *huge) for seed in range(2)]).stacks] == [1, 1]


def test_data_that_cannot_be_read_stop_the_sweep_at_once(point, tmp_path):
    small = ["runs_dir=" + str(tmp_path / "runs"), "logger=none"]
    missing = composed([*small, "task=chorales", f"task.path={tmp_path}/nowhere.json"])
    with pytest.raises(UserError, match=r"nowhere\.json: no such file"):
        plan([point(), missing])
    large = composed([*small, "task=digits", "training.batch_size=5000"])
    with pytest.raises(UserError, match=r"training\.batch_size=5000: must be at most 1197"):
        plan([point(), large])
    assert list(tmp_path.iterdir()) == []


def test_stacks_of_automatic_size_are_divided_until_every_slot_has_one(point):
    points = [point(f"seed={seed}") for seed in range(7)] + [point("variant=gru", "seed=0")]
    assert [len(stack) for stack in plan(points, slots=2).stacks] == [7, 1]
    assert [len(stack) for stack in plan(points, slots=4).stacks] == [2, 2, 3, 1]
    assert [len(stack) for stack in plan(points, slots=100).stacks] == [1] * 8
    fixed = [point(f"seed={seed}", "stack.size=6") for seed in range(6)]
    assert [len(stack) for stack in plan(fixed, slots=4).stacks] == [6]
