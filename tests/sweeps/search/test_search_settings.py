"""The options of a search: what is refused, and Optuna's samplers by name."""

import optuna
import pytest
from omegaconf import OmegaConf

from gatelab.errors import UserError
from gatelab.keys import SAMPLERS
from gatelab.sweeps.search import SearchSettings
from gatelab.sweeps.search.samplers import sampler
from hydra_plugins.gatelab_optuna_sweeper.optuna_sweeper import OptunaSearchConfig

INSTALLED = [name for name in SAMPLERS if name != "cmaes"]
REFUSED = [
    (
        {"sampler": "tpee"},
        f"unknown hydra.sweeper.sampler 'tpee' (did you mean 'tpe'?); allowed: {', '.join(SAMPLERS)}",
    ),
    ({"sampler": "optuna.samplers.TPESampler"}, "unknown hydra.sweeper.sampler 'optuna.samplers.TPESampler'; allowed"),
    ({"sampler": 3}, "hydra.sweeper.sampler=3: must be text"),
    ({"n_trials": 0}, "hydra.sweeper.n_trials=0: must be at least 1"),
    ({"n_trials": "many"}, "hydra.sweeper.n_trials=many: must be an integer"),
    ({"batch_size": 0}, "hydra.sweeper.batch_size=0: must be at least 1"),
    ({"seeds": 1.5}, "hydra.sweeper.seeds=1.5: must be an integer"),
    ({"direction": "up"}, "hydra.sweeper.direction=up: must be 'minimize' or 'maximize'"),
    (
        {"storage": "redis://host"},
        "hydra.sweeper.storage=redis://host: must be a file that ends in .journal, sqlite:///FILE, or the",
    ),
    (
        {"storage": "postgres//me:secret@host/studies"},
        "hydra.sweeper.storage=postgres//me:***@host/studies: must be a file that ends in .journal, sqlite:///FILE, or",
    ),
    ({"storage": "x.txt"}, "hydra.sweeper.storage=x.txt: must be a file that ends in .journal, sqlite:///FILE, or the"),
    (
        {"study_name": "a/b"},
        "hydra.sweeper.study_name=a/b: must be letters, digits, '-', '_' and '.', because it names a",
    ),
    ({"study_name": ".."}, "hydra.sweeper.study_name=..: must be letters"),
    (
        {"options": {"multivariat": True}},
        "unknown key 'hydra.sweeper.options.multivariat' (did you mean 'multivariate'",
    ),
    ({"options": {"multivariate": 3}}, "hydra.sweeper.options.multivariate=3: must be true or false"),
    ({"options": {"n_startup_trials": 0}}, "hydra.sweeper.options.n_startup_trials=0: must be at least 1"),
    ({"options": {"n_startup_trials": True}}, "hydra.sweeper.options.n_startup_trials=true: must be an integer"),
    (
        {"sampler": "random", "options": {"popsize": 3}},
        "unknown key 'hydra.sweeper.options.popsize'; random takes none",
    ),
    ({"sampler": "qmc", "options": {"qmc_type": "x"}}, "hydra.sweeper.options: qmc refuses qmc_type=x: "),
    (
        {"sampler": "nsgaii", "options": {"population_size": 1}},
        "hydra.sweeper.options: nsgaii refuses population_size=1",
    ),
]


@pytest.mark.parametrize(("mapping", "line"), REFUSED, ids=[str(mapping) for mapping, _ in REFUSED])
def test_refused_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        SearchSettings.read({"sampler": "tpe", **mapping})
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_a_sampler_whose_package_is_not_there(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^hydra\.sweeper\.sampler=cmaes: needs `pip install cmaes`$"):
        SearchSettings.read({"sampler": "cmaes"})


def test_a_number_names_a_study():
    assert SearchSettings.read({"sampler": "tpe", "study_name": 3}).study_name == "3"


@pytest.mark.parametrize("name", INSTALLED)
def test_a_sampler_draws_from_seed_and_place_alone(name):
    def drawn(seed, index):
        study = optuna.create_study(sampler=sampler(name, {}, seed, index))
        return study.ask({"a": optuna.distributions.FloatDistribution(0, 1)}).params["a"]

    assert drawn(0, 5) == drawn(0, 5)
    if name != "qmc":
        assert len({drawn(0, 5), drawn(0, 6), drawn(1, 5)}) == 3


def test_the_plugin_knows_every_option():
    every = {option for options in SAMPLERS.values() for option in options}
    assert set(OmegaConf.structured(OptunaSearchConfig).options) == every
