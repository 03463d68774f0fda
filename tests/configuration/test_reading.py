"""Many configurations are checked as one is, and what they have in common is checked once."""

import copy
from collections import Counter

import pytest

from gatelab.configuration import Reading, composed, resolved, run_configuration
from gatelab.errors import UserError
from gatelab.store import identity
from gatelab.store.identity import scientific


@pytest.fixture(scope="module")
def mapping():
    return composed(["task=adding", "logger=none"]).mapping()


def points(mapping, seeds):
    changes = [("optimizer", "lr", 0.1), ("optimizer", "lr", 0.2), ("model", "hidden_size", 7), ("task", "length", 9)]
    for seed in range(seeds):
        for section, key, value in changes:
            point = copy.deepcopy(mapping)
            point[section][key] = value
            yield {**{name: part for name, part in point.items() if name != "label"}, "seed": seed}


def test_runs_read_together_are_the_runs_read_alone(mapping):
    reading = Reading()
    for point in points(mapping, 3):
        together, alone = reading.run(point, with_torch=False), run_configuration(point)
        assert together == alone
        assert together.identity == alone.identity


def test_an_identity_is_that_of_the_whole_configuration(mapping):
    for point in points(mapping, 1):
        configuration = run_configuration(point)
        science = scientific(configuration.mapping())
        science["variant"]["order"] = list(configuration.variant.equations)
        assert configuration.science == science
        assert configuration.identity == identity(science)


def test_what_runs_have_in_common_is_made_once(mapping, monkeypatch):
    made: Counter[str] = Counter()

    def counted(name):
        original = getattr(resolved, name)

        def counting(*arguments, **options):
            made[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(resolved, name, counting)

    for name in ("edited_variant", "variant_files", "task_from_mapping", "opening_from_mapping", "check_optimizer"):
        counted(name)
    reading = Reading()
    runs = [reading.run(point) for point in points(mapping, 50)]
    assert len({configuration.identity for configuration in runs}) == 200
    assert made == {
        "edited_variant": 1,
        "variant_files": 1,
        "task_from_mapping": 2,
        "opening_from_mapping": 1,
        "check_optimizer": 3,
    }
    assert len({id(configuration.variant) for configuration in runs}) == 1


def test_one_and_true_are_told_apart(mapping):
    reading = Reading()
    point = next(points(mapping, 1))
    reading.run({**point, "training": {**point["training"], "patience": 1}})
    with pytest.raises(UserError, match=r"training.patience=true: must be an integer"):
        reading.run({**point, "training": {**point["training"], "patience": True}})


def test_what_is_wrong_with_a_later_point_is_still_found(mapping):
    reading = Reading()
    first, *_ = points(mapping, 1)
    reading.run(first)
    with pytest.raises(UserError, match=r"model.hidden_size=0: must be at least 1"):
        reading.run({**first, "model": {**first["model"], "hidden_size": 0}})
