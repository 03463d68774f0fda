"""What the files of options hold is kept from one composition to the next, as long as they are the same."""

import pytest
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.utils import create_config_search_path
from omegaconf import OmegaConf

from gatelab.configuration.hydra_loader import _read, _Sources


@pytest.fixture
def sources(tmp_path):
    repository = ConfigRepository(create_config_search_path(str(tmp_path)))
    return lambda: _Sources(repository)


def content(sources):
    return OmegaConf.to_container(sources.load_config("made").config)


def test_a_file_that_has_changed_is_read_again(sources, tmp_path):
    file = tmp_path / "made.yaml"
    file.write_text("a: 1\n")
    assert content(sources()) == {"a": 1}
    file.write_text("a: 22\n")
    assert content(sources()) == {"a": 22}
    file.unlink()
    assert sources().load_config("made") is None


def test_a_file_is_read_once_and_one_composition_changes_nothing_for_the_next(sources, tmp_path):
    (tmp_path / "made.yaml").write_text("a: 1\nb: {c: 2}\n")
    before = len(_read)
    first = sources()
    first.load_config("made").config.b.c = 3
    assert content(first) == {"a": 1, "b": {"c": 3}}  # of one composition it is the same thing
    assert content(sources()) == {"a": 1, "b": {"c": 2}}
    assert len(_read) == before + 1
