"""Stages, what is kept, and derivatives of the backward pass."""

import numpy as np
import pytest

from gatelab.compiler import program
from gatelab.compiler.adjoint import plan
from gatelab.compiler.graph import Block, Graph, Place, PlaceWrite, derivative, handed_on
from gatelab.language.functions import ELEMENTARY, FUNCTIONS, INNER, ROW_FUNCTIONS
from gatelab.language.library import load_variant, variant_files
from tests.language.examples import variant

OPERATORS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power}

# products of one step, slots of the tape
SCHEDULES = {
    "elman": (1, 1), "lstm": (1, 5), "peephole": (1, 5), "cifg": (1, 4), "gru": (1, 4), "gru_v3": (2, 4), "mgu": (2, 3),
    "janet": (1, 3), "ur_lstm": (1, 6),
}  # fmt: skip


def evaluated(block: Block, values: dict[Place, np.ndarray]) -> dict[Place, np.ndarray]:
    """Run a block on numpy arrays."""
    results: list[np.ndarray] = []
    for node in block.nodes:
        arguments = [results[argument] for argument in node.arguments]
        match node.kind:
            case "number":
                results.append(np.float64(node.value))
            case "read":
                assert node.place is not None
                results.append(values[node.place])
            case "negate":
                results.append(-arguments[0])
            case "operation":
                results.append(OPERATORS[node.name](*arguments))
            case "function":
                results.append((FUNCTIONS | INNER)[node.name].value(*arguments))
    return {store.place: results[store.node] for store in block.stores}


@pytest.mark.parametrize("name", ELEMENTARY)
def test_derivatives_are_those_of_central_differences(name):
    function = ELEMENTARY[name]
    random = np.random.default_rng(1)
    points = [random.uniform(0.1, 2.5, 50) for _ in range(function.arity)]
    places = [Place("slot", number=i) for i in range(function.arity)]
    for argument in range(function.arity):
        graph = Graph()
        reads = tuple(graph.read(place) for place in places)
        slope = derivative(graph, name, argument, reads, graph.function(name, reads))
        block = Block(tuple(graph.nodes), (PlaceWrite(Place("output"), slope),))
        found = evaluated(block, dict(zip(places, points, strict=True)))[Place("output")]
        shift = 1e-6
        up = [p + shift * (i == argument) for i, p in enumerate(points)]
        down = [p - shift * (i == argument) for i, p in enumerate(points)]
        expected = (function.value(*up) - function.value(*down)) / (2 * shift)
        np.testing.assert_allclose(np.broadcast_to(found, 50), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ELEMENTARY)
def test_what_a_function_hands_on_is_the_adjoint_times_its_derivative(name):
    function = ELEMENTARY[name]
    random = np.random.default_rng(2)
    points = [random.uniform(0.1, 2.5, 50) for _ in range(function.arity)]
    reads = [Place("slot", number=i) for i in range(function.arity + 1)]
    for argument in range(function.arity):
        graph = Graph()
        *arguments, adjoint = (graph.read(place) for place in reads)
        value = graph.function(name, tuple(arguments))
        share = handed_on(graph, name, argument, tuple(arguments), value, adjoint)
        slope = derivative(graph, name, argument, tuple(arguments), value)
        nodes = tuple(graph.nodes)
        stores = (PlaceWrite(Place("output"), slope), PlaceWrite(Place("next"), slope if share is None else share))
        arriving = random.normal(size=50)
        found = evaluated(Block(nodes, stores), dict(zip(reads, (*points, arriving), strict=True)))
        expected = np.broadcast_to(0.0 if share is None else arriving * found[Place("output")], 50)
        np.testing.assert_allclose(np.broadcast_to(found[Place("next")], 50), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_shipped_variants_have_the_stages_and_slots_they_need(name):
    found = plan(program(load_variant(name)))
    assert (len({group.stage for group in found.stages.groups}), found.slot_count) == SCHEDULES[name]


def test_the_variants_counted_here_are_shipped():
    assert SCHEDULES.keys() <= variant_files().keys()


def test_the_gates_of_an_lstm_are_one_product():
    (group,) = plan(program(load_variant("lstm"))).stages.groups
    assert len(group.maps) == 4
    assert all({weight[1:] for weight in one.weights} == {"_weight_x", "_weight_h"} for one in group.maps)


def test_a_source_keeps_a_slot_of_its_own():
    # the weight gradient needs it after the deltas have overwritten the slots of the maps
    found = plan(program(load_variant("gru_v3")))
    (source,) = [source for source in found.stages.sources if source in found.homes]
    assert found.homes[source].number not in found.slots.values()


def test_a_map_that_is_a_source_is_copied_before_its_slot_is_overwritten():
    found = plan(program(variant("tanh(linear(linear(x, h)))")))
    (inner,) = [source for source in found.stages.sources if source in found.slots]
    assert found.homes[inner].number not in found.slots.values()
    assert any(store.place == found.homes[inner] for store in found.forward[0].stores)


def test_all_adjoints_of_states_are_set_by_the_first_block_of_the_way_back():
    for name in variant_files():
        if not load_variant(name).trees:
            continue
        found = plan(program(load_variant(name)))
        first = {
            store.place.name for store in found.backward[-1].stores if store.place.kind == "leaving" and not store.adds
        }
        assert first == set(load_variant(name).states)


def test_what_changes_no_bit_disappears():
    graph = Graph()
    u = graph.read(Place("slot"))
    zero, one = graph.number(0.0), graph.number(1)
    assert graph.operation("-", u, zero) == graph.operation("*", one, u) == graph.operation("/", u, one) == u
    assert graph.operation("**", u, zero) == one
    # 0 times infinity is no number, and -0 + 0 is 0
    for symbol in "*+":
        assert graph.nodes[graph.operation(symbol, u, zero)].kind == "operation"
    assert graph.nodes[graph.operation("-", zero, u)].kind == "operation"
    assert graph.number(-0.0) != zero
    assert graph.negate(graph.negate(u)) == u
    assert graph.operation("**", u, graph.number(2)) == graph.operation("*", u, u)
    v = graph.read(Place("slot", number=1))
    assert graph.operation("*", u, v) == graph.operation("*", v, u)


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_what_a_row_function_hands_on_is_that_of_central_differences(name):
    random = np.random.default_rng(3)
    point, arriving = random.normal(size=(2, 7))
    reads = [Place("slot", number=i) for i in range(2)]
    graph = Graph()
    u, adjoint = (graph.read(place) for place in reads)
    value = graph.function(name, (u,))
    share = handed_on(graph, name, 0, (u,), value, adjoint)
    assert share is not None
    stores = (PlaceWrite(Place("output"), value), PlaceWrite(Place("next"), share))
    found = evaluated(Block(tuple(graph.nodes), stores), dict(zip(reads, (point, arriving), strict=True)))
    function = ROW_FUNCTIONS[name].value
    np.testing.assert_allclose(found[Place("output")], function(point), rtol=1e-12)
    for j, shift in enumerate(1e-6 * np.eye(7)):
        slope = (arriving * (function(point + shift) - function(point - shift))).sum() / 2e-6
        assert found[Place("next")][j] == pytest.approx(slope, rel=1e-5, abs=1e-8)
