"""conf/ and the package name the same things, and each thing is named like its file."""

import pytest
import yaml

from gatelab.language import load_variant, variant_files
from gatelab.layers.openings import OPENINGS, opening_from_mapping
from gatelab.locations import conf_directory
from gatelab.tasks import TASKS


def files(noun):
    return {file.stem: file for file in sorted((conf_directory() / noun).rglob("*.yaml"))}


def content(noun, name):
    return yaml.safe_load(files(noun)[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize(("noun", "names"), [("opening", OPENINGS), ("task", TASKS)])
def test_conf_and_the_package_name_the_same_things(noun, names):
    assert set(files(noun)) == set(names)
    assert list(names) == sorted(names)


@pytest.mark.parametrize("name", sorted(OPENINGS))
def test_an_opening_file_says_its_own_name_and_its_defaults(name):
    mapping = content("opening", name)
    opening = opening_from_mapping(mapping)
    assert opening.name == name
    assert opening == OPENINGS[name].model_validate({"name": name, "source": mapping.get("source", "")})
    assert set(type(opening).model_fields) - {"source"} <= set(mapping)
    assert OPENINGS[name].__doc__


@pytest.mark.parametrize("name", sorted(variant_files()))
def test_a_variant_file_is_found_by_the_name_it_says(name):
    assert load_variant(name).name == name == content("variant", name)["name"]
    assert variant_files()[name] == files("variant")[name]


@pytest.mark.parametrize("name", sorted(files("schedule")))
def test_a_schedule_file_says_its_own_name(name):
    assert content("schedule", name)["name"] == name


@pytest.mark.parametrize("name", sorted(files("optimizer")))
def test_an_optimizer_file_says_its_class_and_learning_rate(name):
    mapping = content("optimizer", name)
    assert mapping["_target_"].removeprefix("torch.optim.").lower() == name
    assert mapping["lr"] > 0


@pytest.mark.parametrize("noun", ["opening", "schedule", "task"])
def test_a_file_begins_with_a_line_that_says_what_it_is(noun):
    for file in files(noun).values():
        assert file.read_text(encoding="utf-8").startswith("# "), file
