"""Any content of a user file changes only its own section or is refused. GATELAB_FUZZED=10000: more tries."""

import os
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hypothesis import HealthCheck, given, settings
from omegaconf import OmegaConf

from gatelab.configuration import plain, translated, using
from gatelab.errors import UserError
from gatelab.locations import conf_directory
from tests.configuration.hostile import SECRET, options

EXAMPLES = int(os.environ.get("GATELAB_FUZZED", "30"))
SWEEP = ("sweeper", "launcher", "overrides", "runtime")
"""Of Hydra's section: what a sweep is made of, and what Hydra notes of the words it was given."""
NOT_OF_AN_EXPERIMENT = ("runs_dir", "logger", "plan_only", "describe", "debug")


def composed(words, folder=None):
    GlobalHydra.instance().clear()
    added = [folder] if folder else []
    with using(added), translated(words), initialize_config_dir(str(conf_directory()), version_base="1.3"):
        everything = compose("train", overrides=words, return_hydra_config=True)
        hydra: Any = OmegaConf.to_container(everything.hydra, resolve=False)
        hydra["job"]["override_dirname"] = ""  # the words
        return plain(everything), hydra


def test_a_file_changes_its_own_section_or_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(SECRET, "do not copy me")
    usual, usual_hydra = composed(["seed=1"])

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(options())
    def attack(option):
        group, text = option
        file = tmp_path / group / "mine.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        words = ["seed=1", f"{'+' if group == 'experiment' else ''}{group}=mine"]
        try:
            found, hydra = composed(words, tmp_path)
        except UserError as error:
            message = str(error)
            assert len(message) <= 600 and message.isprintable()
            assert "do not copy me" not in message
            return
        assert "do not copy me" not in str(found) + str(hydra)
        assert found.keys() == usual.keys()
        untouched = NOT_OF_AN_EXPERIMENT if group == "experiment" else [name for name in usual if name != group]
        assert {name: found[name] for name in untouched} == {name: usual[name] for name in untouched}
        for name in usual_hydra:
            if name not in SWEEP:
                assert hydra[name] == usual_hydra[name]
        for engine in ("sweeper", "launcher"):
            assert str(hydra[engine]["_target_"]).startswith(("hydra_plugins.gatelab_", "hydra._internal."))

    attack()
