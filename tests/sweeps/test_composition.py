"""Points composed quickly are those that Hydra composes."""

from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from gatelab.locations import conf_directory
from hydra_plugins.gatelab_stacked_launcher._composition import QuickComposition

POINTS = [
    ["seed=1", "optimizer.lr=0.1"],
    ["seed=2", "optimizer.lr=0.1"],
    ["seed=2", "variant=gru", "optimizer.lr=1e-3"],
    ["variant=gru", "optimizer.lr=1e-3", "seed=3", "task=adding", "task.length=7"],
    ["variant=lstm", 'variant.equations.f="1 - i"'],
    ["variant=lstm", 'variant.equations.f="sigmoid(linear(x, h))"', "runs_dir=here"],
    ["+optimizer.amsgrad=true", "seed=4"],
    ["+optimizer.amsgrad=true", "optimizer.amsgrad=false"],
    ["~schedule.warmup_steps", "seed=7"],
    ["logger=[csv,none]", "seed=5"],
    ["training.clip_norm=null", "optimizer.betas=[0.8,0.9]"],
    ["model={hidden_size:3}"],
    ["hydra.sweep.dir=elsewhere", "seed=6"],
]


@pytest.fixture
def loader():
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_directory()), version_base="1.3"):
        yield GlobalHydra.instance().hydra


def test_every_point_is_the_same(loader):
    master = loader.compose_config("train", ["task=adding"], run_mode=RunMode.MULTIRUN, with_log_configuration=False)
    quick = QuickComposition(loader.config_loader)
    for words in POINTS:
        composed, reference = (which.load_sweep_config(master, words) for which in (quick, loader.config_loader))
        ours: Any = OmegaConf.to_container(composed)
        theirs: Any = OmegaConf.to_container(reference)
        if "hydra.sweep.dir=elsewhere" not in words:
            # how Hydra would name a folder for the point; nobody asks
            del ours["hydra"]["job"]["override_dirname"], theirs["hydra"]["job"]["override_dirname"]
        assert ours == theirs
        assert OmegaConf.is_struct(composed)


@pytest.mark.parametrize("words", [["sed=1"], ["seed=1", "variant=nothing"], ["seed=1", "optimizer.nothing=2"]])
def test_errors_are_those_of_hydra(loader, words):
    master = loader.compose_config("train", [], run_mode=RunMode.MULTIRUN, with_log_configuration=False)
    with pytest.raises(HydraException) as reference:
        loader.config_loader.load_sweep_config(master, words)
    with pytest.raises(HydraException) as quick:
        QuickComposition(loader.config_loader).load_sweep_config(master, words)
    assert str(quick.value) == str(reference.value)
