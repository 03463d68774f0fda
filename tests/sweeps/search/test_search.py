"""The loop of a search, with runs that are made up."""

import math

import optuna
import pytest
from optuna.trial import TrialState

from gatelab.errors import UserError
from gatelab.keys import SAMPLERS
from gatelab.sweeps.search import Outcome
from gatelab.sweeps.search.study import claimed
from tests.sweeps.search.made_up import LR, Killed, MadeUpRuns, nearness, searched, value

INSTALLED = [name for name in SAMPLERS if name not in ("cmaes", "grid")]


def parameters(study):
    return [trial.params for trial in study.get_trials() if trial.state == TrialState.COMPLETE]


def test_batches_are_trained_at_once(tmp_path):
    runs = MadeUpRuns(tmp_path)
    study = searched(runs, LR, "task=adding", n_trials=7, batch_size=3)
    assert [len(batch) for batch in runs.batches] == [3, 3, 1]
    assert all(words[0] == "task=adding" and words[1].startswith("optimizer.lr=") for words in runs.trained)
    assert [trial.value for trial in study.trials] == [nearness(words) for words in runs.trained]
    assert study.trials[0].user_attrs["runs"] == [" ".join(runs.trained[0])]
    assert (tmp_path / "studies" / "study.journal").exists()


@pytest.mark.parametrize("name", INSTALLED)
def test_every_sampler(tmp_path, name):
    runs = MadeUpRuns(tmp_path)
    options = {"n_startup_trials": 3} if name in ("tpe", "gp") else {}
    study = searched(runs, LR, "variant=lstm,gru", sampler=name, n_trials=8, options=options)
    assert len(study.trials) == 8
    assert len({str(trial.params) for trial in study.trials}) == 8


@pytest.mark.parametrize("options", [{"multivariate": True}, {"multivariate": True, "group": True}])
def test_an_experimental_option_does_not_warn(tmp_path, options):
    assert len(searched(MadeUpRuns(tmp_path), LR, sampler="tpe", options=options).trials) == 6


def test_tpe_finds_the_valley(tmp_path):
    study = searched(MadeUpRuns(tmp_path), LR, sampler="tpe", n_trials=40, batch_size=4)
    assert study.best_value < 0.01


def test_a_grid_is_every_point_once(tmp_path):
    runs = MadeUpRuns(tmp_path)
    searched(runs, "optimizer.lr=0.1,0.01", "model.num_layers=range(1,4)", sampler="grid", n_trials=None, batch_size=4)
    expected = [[f"optimizer.lr={lr}", f"model.num_layers={n}"] for lr in (0.1, 0.01) for n in (1, 2, 3)]
    assert runs.trained == expected
    short = MadeUpRuns(tmp_path / "short")
    searched(short, "optimizer.lr=0.1,0.01", "model.num_layers=range(1,4)", sampler="grid", n_trials=4)
    assert short.trained == expected[:4]


@pytest.mark.parametrize(
    ("higher_is_better", "given", "direction"),
    [(False, None, "MINIMIZE"), (True, None, "MAXIMIZE"), (False, "maximize", "MAXIMIZE")],
)
def test_the_direction_is_the_tasks_unless_given(tmp_path, higher_is_better, given, direction):
    study = searched(MadeUpRuns(tmp_path, higher_is_better=higher_is_better), LR, direction=given)
    assert study.direction.name == direction
    assert study.best_value == (min if direction == "MINIMIZE" else max)(trial.value for trial in study.trials)


def test_several_seeds_give_their_mean(tmp_path):
    def fate(words):
        return nearness(words) + value(words, "seed")

    runs = MadeUpRuns(tmp_path, fate)
    study = searched(runs, LR, "seed=5", n_trials=2, seeds=3)
    assert [len(batch) for batch in runs.batches] == [6]
    assert [words[-1] for words in runs.trained] == ["seed=5", "seed=6", "seed=7"] * 2
    assert not any(words.count("seed=5") > 1 or "seed=5" in words[:-1] for words in runs.trained)
    for trial, words in zip(study.trials, runs.trained[::3], strict=True):
        assert trial.value == pytest.approx(nearness(words) + 6)
        assert len(trial.user_attrs["runs"]) == 3


FATES = {
    "diverged": (Outcome("diverged"), TrialState.PRUNED, "diverged"),
    "without a number": (Outcome("finished", math.nan), TrialState.PRUNED, "diverged"),
    "infinite": (Outcome("finished", math.inf), TrialState.PRUNED, "diverged"),
    "failed": (Outcome("failed", reason="out of memory"), TrialState.FAIL, "failed"),
}


@pytest.mark.parametrize("name", FATES)
def test_what_becomes_of_a_trial_is_told(tmp_path, capsys, name):
    outcome, state, status = FATES[name]
    runs = MadeUpRuns(tmp_path, lambda words: outcome if value(words, "seed") == 1 else 0.5)
    study = searched(runs, LR, n_trials=3, seeds=2)
    assert [trial.state for trial in study.trials] == [state] * 3
    assert [trial.user_attrs["status"] for trial in study.trials] == [status] * 3
    printed = capsys.readouterr().out
    assert f"study study: 3 trials (3 {status}) in " in printed
    assert printed.endswith("no trial finished, so there is no best one\n")
    if outcome.reason:
        assert "  failed 3 times: out of memory\n" in printed


def test_diverged_trials_teach_tpe_where_not_to_look(tmp_path):
    def fate(words):
        return Outcome("diverged") if value(words, "optimizer.lr") > 0.1 else nearness(words)

    study = searched(MadeUpRuns(tmp_path, fate), LR, sampler="tpe", n_trials=40, batch_size=4)
    diverged = [trial.state == TrialState.PRUNED for trial in study.trials]
    assert sum(diverged[20:]) <= sum(diverged[:20])


def test_a_combination_that_cannot_be_is_a_failed_trial(tmp_path):
    def refuse(words):
        # neither of the two shows at the ends of the space, which are looked at one axis at a time
        return "no such pair" if "a=2" in words and "b=2" in words else None

    runs = MadeUpRuns(tmp_path, lambda words: 1.0, refuse)
    study = searched(runs, "a=1,2", "b=1,2", sampler="grid", n_trials=None, batch_size=4)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3 + [TrialState.FAIL]
    assert study.trials[3].user_attrs["reason"] == "no such pair"
    assert len(runs.trained) == 3


def test_the_end_names_the_best_trial_and_its_command(tmp_path, capsys):
    study = searched(MadeUpRuns(tmp_path), "task=adding", LR, "variant=lstm,gru", flags=["--config-dir=my dir"])
    *_, best, command = capsys.readouterr().out.splitlines()
    params = study.best_trial.params
    assert best == (
        f"best trial: {study.best_trial.number}, validation mean squared error {study.best_value:.6g}; its runs:"
    )
    assert command == (
        "  python scripts/train.py '--config-dir=my dir' task=adding "
        f"optimizer.lr={params['optimizer.lr']} variant={params['variant']}"
    )


def test_the_command_of_several_seeds_is_a_sweep(tmp_path, capsys):
    searched(MadeUpRuns(tmp_path), LR, "seed=2", seeds=3)
    assert capsys.readouterr().out.splitlines()[-1].endswith(" 'seed=range(2,5)'")


NOTHING = "nothing to search: give a key an interval, a range or several values"
REFUSED = {
    ("task=adding",): NOTHING,
    (LR, "seed=range(3)"): "seed=range(3): a seed is nothing to choose; hydra.sweeper.seeds=3 trains each trial with 3 "
    "seeds",
    (LR, "task=adding,copying"): "task=adding,copying: a search compares the scores of one task",
    (LR, "a=1,bad"): "a=bad: no",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused_before_anything_is_written(tmp_path, words):
    runs = MadeUpRuns(tmp_path / "runs", refuse=lambda words: "a=bad: no" if "a=bad" in words else None)
    with pytest.raises(UserError) as refused:
        searched(runs, *words)
    assert str(refused.value) == REFUSED[words]
    assert runs.batches == []
    assert list(tmp_path.iterdir()) == []


def test_what_the_launcher_refuses_at_once_leaves_no_study(tmp_path):
    def fate(words):
        raise UserError("task.path=x: no such file")

    for storage in (None, f"sqlite:///{tmp_path}/a.db"):
        with pytest.raises(UserError, match="no such file"):
            searched(MadeUpRuns(tmp_path, fate), LR, storage=storage)
        assert list(tmp_path.iterdir()) == []


def test_a_study_is_searched_by_one_process(tmp_path):
    with claimed(tmp_path / "studies", "study"), pytest.raises(UserError) as refused:
        searched(MadeUpRuns(tmp_path), LR)
    assert str(refused.value) == (
        "hydra.sweeper.study_name=study: another process is searching this study; several can search one that is kept "
        "by a database server (hydra.sweeper.storage=postgresql://…)"
    )


def test_optuna_can_read_the_journal(tmp_path):
    searched(MadeUpRuns(tmp_path), LR)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "studies" / "study.journal"))
    study = optuna.load_study(study_name="study", storage=optuna.storages.JournalStorage(backend))
    assert len(parameters(study)) == 6


def test_a_killed_batch_is_asked_for_again(tmp_path):
    with pytest.raises(Killed):
        searched(MadeUpRuns(tmp_path, kill_at=1), LR)
    assert len(searched(MadeUpRuns(tmp_path), LR).trials) == 9
