"""docs/sweeps.md: every command composes, its file is read, and what it lists is what there is."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gatelab.cli.wandb_sweep import wandb_sweep
from gatelab.configuration import plain, run_configuration
from gatelab.locations import conf_directory
from gatelab.sweeps.search import SearchSettings, read_space
from hydra_plugins.gatelab_optuna_sweeper.optuna_sweeper import OptunaSearchConfig

PAGE = (Path(__file__).parents[3] / "docs" / "sweeps.md").read_text()
COMMANDS = re.findall(r"^    (python scripts/\S+\.py.*)$", PAGE, re.MULTILINE)
TRAINING = [shlex.split(line)[2:] for line in COMMANDS if "train.py" in line]
STORE = [line for line in COMMANDS if "store.py" in line]
WANDB = [shlex.split(line)[2:] for line in COMMANDS if "wandb_sweep.py" in line]


def test_every_command_is_one_of_these():
    assert len(TRAINING) + len(STORE) + len(WANDB) == len(COMMANDS)
    assert len(TRAINING) >= 9
    assert len(STORE) == 9
    assert len(WANDB) == 2


@pytest.mark.parametrize("words", TRAINING, ids=" ".join)
def test_a_training_command_composes(words):
    assert words[0] == "-m"
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_directory()), version_base="1.3"):
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        space = read_space(parser.parse_overrides(words[1:]))
        assert space.parameters
        for values in space.ends():
            composed = compose("train", overrides=space.words(values), return_hydra_config=True)
            run_configuration(plain(composed))
    if "optuna_search" in " ".join(words):
        given = {word.split("=")[0][14:]: yaml.safe_load(word.split("=")[1]) for word in words if "sweeper." in word}
        assert SearchSettings.read({"sampler": "tpe", **given}).seeds == 3
    else:
        assert len(space.grid()) > 1


@pytest.mark.parametrize("words", WANDB, ids=" ".join)
def test_a_wandb_command_writes_its_file(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert wandb_sweep(words) == 0
    assert (tmp_path / "sweep.yaml").exists()


def test_the_file_is_read():
    block = re.search(r"(?:^    .*\n)*    # @package _global_\n((?:^    .*\n)+)", PAGE, re.MULTILINE)
    assert block is not None
    content = yaml.safe_load(re.sub(r"^    ", "", block[1], flags=re.MULTILINE))
    section = content["hydra"]["sweeper"]
    assert set(section) <= {field.name for field in fields(OptunaSearchConfig)}
    words = [f"{key}={value}" for key, value in section["params"].items()]
    assert len(read_space(OverridesParser.create().parse_overrides(words)).parameters) == 2


def test_the_distributions_of_the_table_are_read():
    table = PAGE.split("| written | searched |")[1].split("\n\n")[0]
    written = [text for text in re.findall(r"`([^`]+)`", table) if "…" not in text]
    assert len(written) == 9
    for text in written:
        assert read_space(OverridesParser.create().parse_overrides([f"key={text}"])).parameters


def test_the_plugin_has_the_options_and_their_defaults():
    config = OmegaConf.to_container(OmegaConf.structured(OptunaSearchConfig))
    plugin = {name: config.pop(name) for name in ("_target_", "params", "options")}
    assert plugin["params"] == {}
    assert SearchSettings.read(config) == SearchSettings()
    assert {*config, "options"} == set(SearchSettings.model_fields)
