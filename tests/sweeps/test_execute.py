"""A sweep trains what is missing, once, and returns every point in the order asked."""

import pytest

from gatelab.cli.train import _print_plan
from gatelab.store import Store
from gatelab.sweeps import ExecutorOptions, execute
from gatelab.sweeps.executors.inline import Inline
from gatelab.sweeps.listener import PlannedWork
from gatelab.training import train_stack
from tests.store.examples import example
from tests.training.examples import configuration, outcome


@pytest.fixture
def trained(monkeypatch):
    """The seeds of every stack that was trained."""
    stacks = []

    def watched(stack, *rest, **options):
        stacks.append([run.seed for run in stack])
        return train_stack(stack, *rest, **options)

    monkeypatch.setattr("gatelab.training.train_stack", watched)
    return stacks


def test_results_come_in_the_order_asked(tmp_path, trained):
    """lstm and gru cannot share a stack, so they are not trained in this order."""
    points = [configuration(tmp_path, variant, seed=seed) for variant, seed in (("gru", 1), ("lstm", 2), ("gru", 0))]
    results = execute(points)
    assert [result.identity for result in results] == [point.identity for point in points]
    assert trained == [[1, 0], [2]]


def test_a_point_that_comes_twice_is_trained_once(tmp_path, trained):
    points = [configuration(tmp_path, seed=seed) for seed in (3, 1, 3)]
    first, _, third = execute(points)
    assert first == third
    assert trained == [[3, 1]]


def test_results_that_were_just_read_are_not_read_again(tmp_path, trained):
    point = configuration(tmp_path / "runs")
    result = example(identity=point.identity)
    assert execute([point, point], done={point.identity: result}) == [result, result]
    assert (trained, list(tmp_path.iterdir())) == ([], [])


def test_a_finished_sweep_trains_nothing(tmp_path, trained):
    points = [configuration(tmp_path, seed=seed) for seed in range(3)]
    results = execute(points)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert execute(points) == results
    assert trained == [[0, 1, 2]]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == files


def test_a_wider_sweep_trains_what_is_missing(tmp_path, trained):
    execute([configuration(tmp_path, seed=seed) for seed in (0, 2)])
    results = execute([configuration(tmp_path, seed=seed) for seed in range(4)])
    assert trained == [[0, 2], [1, 3]]
    assert [result.seed for result in results] == [0, 1, 2, 3]
    assert Store(tmp_path).unfinished() == []


def test_the_size_of_stacks_does_not_show_in_the_results(tmp_path, trained):
    for size in (1, 2, "auto"):
        execute([configuration(tmp_path / str(size), seed=seed, stack={"size": size}) for seed in range(3)])
    assert trained == [[0], [1], [2], [0, 1], [2], [0, 1, 2]]
    for seed in range(3):
        identity = configuration(tmp_path, seed=seed).identity
        one, two, all_of_them = (outcome(tmp_path / size, identity) for size in ("1", "2", "auto"))
        assert one == two == all_of_them


def test_a_diverged_run_is_a_result_like_any_other(tmp_path, trained):
    points = [configuration(tmp_path, optimizer={"_target_": "torch.optim.SGD", "lr": lr}) for lr in (1e30, 0.1)]
    assert [result.status for result in execute(points)] == ["diverged", "finished"]
    assert [result.status for result in execute(points)] == ["diverged", "finished"]
    assert len(trained) == 1


def test_titles_number_the_stacks(tmp_path, capsys):
    points = [
        configuration(tmp_path, variant, seed=seed, progress=True) for variant in ("gru", "lstm") for seed in (0, 1)
    ]
    execute([*points, configuration(tmp_path, "elman", progress=True)])
    titles = [line.split(":")[0] for line in capsys.readouterr().err.splitlines() if " steps in " in line]
    assert titles == ["[1/3] gru on adding × 2 runs", "[2/3] lstm on adding × 2 runs", "[3/3] elman on adding"]


def test_an_executor_says_how_many_stacks_there_are_at_least(tmp_path, trained):
    """A cluster takes a thousand jobs at once, and yet runs of one shape are one."""
    inline = Inline()
    inline.slots = 2
    execute([configuration(tmp_path / "parts", seed=seed) for seed in range(4)], open_executor=lambda: inline)
    assert trained == [[0, 1, 2, 3]]


def test_a_plan_has_the_stacks_of_the_executor_and_trains_as_many_at_once_as_it_takes(tmp_path, capsys):
    points = [configuration(tmp_path, variant, seed=seed) for variant in ("lstm", "gru") for seed in range(3)]
    options, check = ExecutorOptions(workers=1), lambda runs: None
    _print_plan(PlannedWork(points, options, tmp_path, lambda: 1, lambda: 1000, check))
    out = capsys.readouterr().out
    assert "6 are to be trained in 2 stacks, 2 at once" in out
