"""The points of a sweep are the runs that each would be alone."""

import itertools

import pytest

from gatelab.configuration import arranged, composed, shape_key
from gatelab.sweeps.listener import Listener, PlanOnly
from gatelab.sweeps.training_call import carry_out


class Planned(Listener):
    """Keeps the points of a sweep."""

    def plans(self, plan):
        self.points = plan.points


@pytest.fixture
def points(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def planned(*words):
        listener = Planned()
        with pytest.raises(PlanOnly):
            carry_out(arranged(["-m", "plan_only=true", "logger=none", *words]), listener)
        return listener.points

    return planned


def test_what_follows_from_seed_or_variant_does_so_in_each_point(points):
    words = ["task=adding", "optimizer.lr=${draw:uniform,0,1}", "model.hidden_size=${by_variant:lstm,36,gru,46}"]
    found = points("variant=lstm,gru", "seed=1,2", *words)
    alone = [
        composed([f"variant={variant}", f"seed={seed}", *words, "logger=none"])
        for variant, seed in itertools.product(("lstm", "gru"), (1, 2))
    ]
    assert [run.identity for run in found] == [run.identity for run in alone]
    assert [run.model.hidden_size for run in found] == [36, 36, 46, 46]
    assert found[0].optimizer.lr == found[2].optimizer.lr != found[1].optimizer.lr


def test_so_it_does_in_the_sweep_of_an_experiment(points, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      variant: lstm,gru\n      seed: range(2)\n"
        "      optimizer.lr: ${draw:uniform,0,1}\n      model.hidden_size: ${by_variant:lstm,36,gru,46}\n"
    )
    found = points("--config-dir=.", "+experiment=mine", "task=adding")
    assert [(run.seed, run.model.hidden_size) for run in found] == [(0, 36), (1, 36), (0, 46), (1, 46)]
    assert found[0].optimizer.lr == found[2].optimizer.lr != found[1].optimizer.lr


def test_a_table_in_the_sweep_of_an_experiment_needs_no_value_for_what_is_not_swept(points, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      variant: cifg,gru\n"
        "      model.hidden_size: ${by_variant:cifg,36,gru,46}\n"
    )
    found = points("--config-dir=.", "+experiment=mine", "task=adding")
    assert [run.model.hidden_size for run in found] == [36, 46]


def test_runs_that_differ_in_their_seed_are_made_of_one_another(points):
    found = points("task=adding", "optimizer=adam,sgd", "seed=range(3)")
    alone = [
        composed(["task=adding", f"optimizer={name}", f"seed={seed}", "logger=none"])
        for name, seed in itertools.product(("adam", "sgd"), range(3))
    ]
    assert [run.mapping() for run in found] == [run.mapping() for run in alone]
    assert [run.identity for run in found] == [run.identity for run in alone]
    assert [shape_key(run) for run in found] == [shape_key(run) for run in alone]
    assert found[1] is not found[0] and found[1].task is found[0].task
