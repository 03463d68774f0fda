"""What changes a run's identity and what does not."""

import copy
import hashlib
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatelab.errors import UserError
from gatelab.keys import NOT_SCIENCE
from gatelab.store import identity, scientific, settings
from gatelab.store.identity import same_science

CONFIGURATION: dict[str, Any] = {
    "variant": {"name": "lstm", "source": "Hochreiter 1997", "equations": {"f": "sigmoid(linear(x, h))"}},
    "task": {"name": "adding", "length": 100, "path": "/data/a", "sha256": "ab"},
    "optimizer": {"lr": 0.001, "betas": [0.9, 0.999]},
    "opening": {"name": "one", "source": "Gers 2000"},
    "model": {"hidden_size": 8},
    "training": {"clip_norm": 1.0, "match": None, "amsgrad": True},
    "seed": 3,
    "device": "cpu",
}

keys = st.text(max_size=5)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
configurations = st.dictionaries(keys, values, max_size=5)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(list(value))}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(as_floats(item) for item in value)
    small_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    return float(value) if small_whole else value


def at(configuration: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(configuration)
    *above, last = dotted.split(".")
    place = changed
    for key in above:
        place = place.setdefault(key, {})
    place[last] = value
    return changed


def test_the_formula_is_pinned():
    text = '{"configuration":{"a":[1,0,true,null,0.1,"\\u00e9"],"b":{}},"schema":2}'
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert identity({"b": {}, "a": [1.0, -0.0, True, None, 0.1, "é"]}) == expected


@given(configurations)
def test_order_of_keys_does_not_matter(configuration):
    assert identity(reordered(configuration)) == identity(configuration)


@given(configurations)
def test_whole_numbers_may_be_written_as_floats_and_lists_as_tuples(configuration):
    assert identity(as_floats(configuration)) == identity(configuration)


@given(configurations, keys, leaves)
def test_another_key_makes_another_run(configuration, key, value):
    changed = {**configuration, key + "x" * 6: value}
    assert identity(changed) != identity(configuration)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_the_same_run_exactly_when_they_are_equal(one, other):
    assert (identity({"lr": one}) == identity({"lr": other})) == (one == other)


def test_the_smallest_change_of_a_number_makes_another_run():
    assert identity({"lr": math.nextafter(0.1, 1)}) != identity({"lr": 0.1})


@pytest.mark.parametrize("dotted", NOT_SCIENCE)
@given(value=values)
def test_what_is_not_science_is_left_out(dotted, value):
    changed = at(CONFIGURATION, dotted, value)
    assert identity(scientific(changed)) == identity(scientific(CONFIGURATION))
    assert same_science(changed, CONFIGURATION)


@pytest.mark.parametrize(
    "dotted",
    ["seed", "variant.name", "variant.equations.f", "variant.equations.i", "task.length", "task.sha256", "optimizer.lr",
     "training.clip_norm", "training.amsgrad", "training.path", "model.device", "anything"],
)  # fmt: skip
def test_everything_else_is_science(dotted):
    changed = at(CONFIGURATION, dotted, "other")
    assert identity(scientific(changed)) != identity(scientific(CONFIGURATION))
    assert not same_science(changed, CONFIGURATION)


@pytest.mark.parametrize("one, other", [(1, True), (0, False), ("1", 1), (None, ""), ([], {}), ([1, 2], [2, 1])])
def test_kinds_and_order_of_lists_are_told_apart(one, other):
    assert identity({"a": one}) != identity({"a": other})


def test_scientific_leaves_its_argument_alone():
    before = copy.deepcopy(CONFIGURATION)
    assert "path" not in scientific(CONFIGURATION)["task"]
    assert before == CONFIGURATION


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_must_be_finite(value):
    with pytest.raises(UserError, match=r"^optimizer\.lr: .* must be finite$"):
        identity({"optimizer": {"lr": value}})


@pytest.mark.parametrize("value", [Path("a"), b"a", {1}])
def test_values_of_another_kind_are_refused(value):
    with pytest.raises(UserError, match=r"^task\.0\.file: "):
        identity({"task": [{"file": value}]})


def test_keys_must_be_strings():
    with pytest.raises(UserError, match=r"^task: the key 1 is a int"):
        identity({"task": {1: 2}})


def test_settings_are_the_science_beside_variant_and_seed_flat():
    assert settings(CONFIGURATION) == {
        "task.name": "adding",
        "task.length": 100,
        "task.sha256": "ab",
        "optimizer.lr": 0.001,
        "optimizer.betas": [0.9, 0.999],
        "opening.name": "one",
        "model.hidden_size": 8,
        "training.clip_norm": 1.0,
        "training.match": None,
        "training.amsgrad": True,
    }
