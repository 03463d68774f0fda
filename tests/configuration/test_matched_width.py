"""Widths at which variants cost the same, counted by hand."""

import pytest

from gatelab.configuration import composed
from gatelab.configuration.matched_width import network_cost
from gatelab.errors import UserError
from gatelab.store import settings

TASK = ["task=adding"]  # 2 inputs, 1 output


def test_what_a_network_costs():
    lstm = composed([*TASK, "variant=lstm", "model.hidden_size=8"])
    # four gates of 8 x (2 + 8) weights and 8 biases, and a readout of 8 weights and a bias
    assert network_cost(lstm.variant, lstm.task, lstm.model, "parameters") == 4 * (8 * 10 + 8) + 9
    assert network_cost(lstm.variant, lstm.task, lstm.model, "multiply_adds") == 4 * 8 * 10 + 8
    both = composed([*TASK, "variant=lstm", "model.hidden_size=8", "model.num_layers=2", "model.bidirectional=true",
                     "model.embedding=3"])  # fmt: skip
    first, second = 4 * (8 * 11 + 8), 4 * (8 * 24 + 8)
    assert network_cost(both.variant, both.task, both.model, "parameters") == 2 * 3 + 2 * first + 2 * second + 17


@pytest.mark.parametrize("what", ["parameters", "multiply_adds"])
@pytest.mark.parametrize("name", ["cifg", "gru", "elman", "peephole", "janet"])
def test_no_other_width_is_nearer(name, what):
    reference = composed([*TASK, "variant=lstm", "model.hidden_size=40"])
    target = network_cost(reference.variant, reference.task, reference.model, what)
    found = composed([*TASK, f"variant={name}", "model.hidden_size=40", f"model.match={what}"])

    def distance(width):
        model = found.model.model_copy(update={"hidden_size": width})
        return abs(network_cost(found.variant, found.task, model, what) - target)

    assert distance(found.model.hidden_size) == min(map(distance, range(1, 200)))


def test_a_variant_matched_to_itself_keeps_its_width():
    found = composed([*TASK, "variant=lstm", "model.hidden_size=40", "model.match=parameters"])
    assert found.model.hidden_size == 40


def test_a_matched_run_is_the_run_of_that_width():
    found = composed([*TASK, "variant=gru", "model.hidden_size=40", "model.match=parameters"])
    plain = composed([*TASK, "variant=gru", f"model.hidden_size={found.model.hidden_size}"])
    assert found.identity == plain.identity
    again = composed([*TASK, "variant=gru", "model.hidden_size=7", "model.match=parameters", "model.match_size=40"])
    assert again.identity == found.identity


def test_matched_variants_are_seeds_of_one_setting():
    gru, mgu = (
        settings(composed([*TASK, f"variant={name}", "model.match=parameters", "model.embedding=hidden"]).mapping())
        for name in ("gru", "mgu")
    )
    assert gru == mgu
    assert gru["model.match"] == "parameters of lstm with 64"


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["model.match=weights"], "model.match=weights: must be 'parameters' or 'multiply_adds'"),
        (["model.match=parameters", "model.match_to=lstn"], r"unknown variant 'lstn' \(did you mean 'lstm'\?\)"),
        (["model.match=parameters", "model.match_size=0"], "model.match_size=0: must be at least 1"),
        (["variant=sgrn", "variant.equations.h=x+h"], "model.embedding=hidden makes it so"),
        (["model.embedding=true"], "model.embedding=true: must be an integer from 1 to 65536, 'hidden' or null"),
    ],
)
def test_what_cannot_be_matched_is_said_in_one_line(overrides, line):
    with pytest.raises(UserError, match=line) as refused:
        composed([*TASK, *overrides])
    assert "\n" not in str(refused.value)
