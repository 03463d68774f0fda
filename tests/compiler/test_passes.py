"""Blocks with row functions as passes: run one after the other they give what the block gives."""

from collections.abc import Callable

import numpy as np
import pytest

from gatelab.compiler import program
from gatelab.compiler.adjoint import plan
from gatelab.compiler.graph import Block, Graph, Place, PlaceWrite
from gatelab.compiler.passes import Pass, passes
from gatelab.language.functions import FUNCTIONS, INNER
from gatelab.language.library import load_variant
from tests.compiler.test_adjoint import OPERATORS, evaluated

SIZE = 6
SLOT = [Place("slot", number=i) for i in range(4)]


class Passes:
    """Runs a block pass by pass: between passes only what is kept, uniform or the result of a row function is known."""

    def __init__(self, block: Block, memory: dict[Place, np.ndarray]) -> None:
        self.nodes, self.memory = block.nodes, dict(memory)
        self.known: dict[int, np.ndarray] = {}
        for one in passes(block, block.stores):
            self.run(one)

    def run(self, one: Pass) -> None:
        for index in one.uniform:
            self.known[index] = self.value(index, self.known)
            assert np.ptp(self.known[index]) == 0
        here = {index: value for index, value in self.known.items() if index in one.fetched or np.ptp(value) == 0}
        for index in one.nodes:
            here[index] = self.value(index, here)
        self.known |= {index: here[index] for index in one.kept}
        self.known |= {index: self.value(index, here) for index in one.reductions}
        self.memory |= {store.place: here[store.node] for store in one.stores}
        for index in one.rows:
            rows = [self.memory.get(self.nodes[i].place, self.known.get(i)) for i in self.nodes[index].arguments]
            self.known[index] = of_table(self.nodes[index].name)(*rows)

    def value(self, index: int, known: dict[int, np.ndarray]) -> np.ndarray:
        node = self.nodes[index]
        arguments = [known[argument] for argument in node.arguments]
        if node.place is not None:
            return self.memory[node.place]
        match node.kind:
            case "number":
                return np.full(SIZE, node.value)
            case "negate":
                return -arguments[0]
            case "operation":
                return OPERATORS[node.name](*arguments)
        return np.broadcast_to(of_table(node.name)(*arguments), SIZE)


def of_table(name: str) -> Callable[..., np.ndarray]:
    return (FUNCTIONS | INNER)[name].value


def assert_alike(block: Block) -> None:
    random = np.random.default_rng(4)
    memory = {node.place: random.normal(size=SIZE) for node in block.nodes if node.place is not None}
    expected = evaluated(block, memory)
    found = Passes(block, memory).memory
    for place in expected:
        np.testing.assert_allclose(found[place], np.broadcast_to(expected[place], SIZE), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["layer_norm_lstm", "layer_norm_gru", "on_lstm", "shuffling_rnn"])
def test_passes_give_what_the_block_gives(name):
    found = plan(program(load_variant(name)))
    assert any(len(passes(block, block.stores)) > 1 for block in found.forward)
    for block in (*found.forward, *found.backward):
        assert_alike(block)


def test_without_row_functions_there_is_one_pass():
    found = plan(program(load_variant("lstm")))
    for block in (*found.forward, *found.backward):
        (one,) = passes(block, block.stores)
        assert one.nodes == block.live()
        assert (one.kept, one.fetched, one.uniform, one.rows) == ([], [], [], [])


def test_a_softmax_takes_three_passes_and_a_vector_meanwhile():
    graph = Graph()
    graph.store(SLOT[1], graph.function("softmax", (graph.read(SLOT[0]),)))
    first, second, third = passes(block := graph.block(), graph.block().stores)
    assert [[block.nodes[i].name for i in one.reductions] for one in (first, second, third)] == [
        ["largest"],
        ["sum"],
        [],
    ]
    assert [block.nodes[i].name for i in second.kept] == ["exp"]
    assert third.fetched == second.kept
    assert_alike(block)


def test_a_store_waits_for_all_reads_of_its_place():
    graph = Graph()
    u, v = graph.read(SLOT[0]), graph.read(SLOT[1])
    # the new value of slot 0 is known before the sum over it has been used, and slots 1 and 2 change places
    graph.store(SLOT[0], graph.negate(u))
    graph.store(SLOT[3], graph.operation("*", u, graph.function("roll", (graph.operation("+", u, v),))))
    graph.store(SLOT[1], graph.read(SLOT[2]))
    graph.store(SLOT[2], v)
    assert_alike(graph.block())


def test_a_row_function_of_a_row_function_needs_no_pass_between():
    graph = Graph()
    graph.store(SLOT[1], graph.function("roll", (graph.function("roll", (graph.read(SLOT[0]),)),)))
    first, second = passes(graph.block(), graph.block().stores)
    assert (len(first.rows), first.nodes, len(second.stores)) == (2, [], 1)
    assert_alike(graph.block())


def test_what_is_stored_may_be_uniform():
    graph = Graph()
    graph.store(SLOT[1], graph.operation("*", graph.number(2.0), graph.function("sum", (graph.read(SLOT[0]),))))
    graph.store(SLOT[2], graph.function("mean", (graph.read(SLOT[0]),)))
    block = graph.block()
    assert_alike(block)
    assert isinstance(block.stores[0], PlaceWrite)
