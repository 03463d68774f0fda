"""Random edits are valid, repeatable, various, and change something."""

import pytest
import torch

from gatelab.errors import UserError
from gatelab.language import edited_variant, load_variant
from gatelab.language.random_edits import mutated
from gatelab.layers.layer import Layer

NAMES = ("lstm", "gru", "gru_v3", "peephole", "elman", "ur_lstm")


@pytest.mark.parametrize("name", NAMES)
def test_edits_are_valid_variants_that_run(name):
    original = load_variant(name)
    for seed in range(40):
        variant = mutated(original.mapping(), seed)
        changed = [equation for equation, text in variant.equations.items() if original.equations.get(equation) != text]
        assert changed or len(variant.equations) < len(original.equations)
        assert variant.states == original.states
        assert Layer(variant, 2, 3, path="loop")(torch.zeros(2, 1, 2))[0].shape == (2, 1, 3)


def test_a_seed_is_one_edit_and_seeds_are_many():
    mapping = load_variant("lstm").mapping()
    edits = [mutated(mapping, seed) for seed in range(100)]
    assert edits == [mutated(mapping, seed) for seed in range(100)]
    assert len({tuple(edit.equations.items()) for edit in edits}) > 50


def test_an_edit_is_a_factor_of_a_variant():
    mapping = load_variant("gru").mapping()
    assert edited_variant({**mapping, "mutate": 5}) == mutated(mapping, 5)
    for seed in (-1, "a", True, 1.5):
        with pytest.raises(
            UserError, match=r"variant.mutate=.*: must be an integer of at least 0, the seed of a random"
        ):
            edited_variant({**mapping, "mutate": seed})


def test_what_cannot_be_edited_is_said():
    stuck = {"name": "stuck", "state": ["h"], "equations": {"h": "x"}}
    with pytest.raises(UserError, match="no valid edit was found in 400 tries with seed 0"):
        mutated(stuck, 0)
