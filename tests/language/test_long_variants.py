"""Variants of hundreds of equations: all that is derived from them takes steps in proportion, and no deep recursion."""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import gatelab
from gatelab.compiler import multiply_adds, parameter_count, program
from gatelab.compiler.adjoint import plan
from gatelab.compiler.costs import dependent_products
from gatelab.compiler.scannable import scan_order
from gatelab.language import Variant, bounds, gates
from gatelab.language.wiring import wiring
from gatelab.paths.native.constants import constants_of
from gatelab.paths.native.emit import emit
from tests.paths.both_paths import assert_same, results

HOME = str(Path(gatelab.__file__).parent)


def chain(first: str, link: str, last: str, states: bool = False) -> Callable[[int], Variant]:
    """Return a maker of variants of n equations; in a link, @ is the equation above and # the equation itself."""

    def make(count: int) -> Variant:
        names = [f"a{place}" for place in range(count - 1)]
        equations = {"a0": first}
        equations |= {name: link.replace("@", above).replace("#", name) for above, name in pairwise(names)}
        equations["h"] = last.replace("@", names[-1])
        return Variant.from_mapping(
            {"name": "long", "state": ["h", *names] if states else ["h"], "equations": equations}
        )

    return make


SHAPES = {
    "read twice": chain("tanh(linear(x, h))", "@*@ + @", "tanh(@)"),
    "read twice by functions": chain("tanh(linear(x, h))", "tanh(@)*sigmoid(@)", "tanh(@)"),
    "read twice from x": chain("x", "@*sin(@)", "tanh(linear(@, h))"),
    "read twice from a constant": chain("vector(1)", "@*@", "tanh(@ + linear(x, h))"),
    "a product each": chain("tanh(linear(x, h))", "tanh(linear(@))", "tanh(@)"),
    "a product of the same sources each": chain("tanh(linear(x, h))", "tanh(linear(x, h)) + @", "tanh(@)"),
    "a learned vector each": chain("tanh(linear(x, h))", "@*vector(1) + diag(h)", "tanh(@)"),
    "a state each": chain("tanh(linear(x, h))", "0.5*# + @", "tanh(@)", states=True),
    "a state each, gated": chain("sigmoid(linear(x))*a0 + linear(x)", "sigmoid(linear(x))*# + @", "@", states=True),
}  # fmt: skip


def derived(variant: Variant) -> str:
    """Derive everything that follows from the equations alone; return the C text."""
    schedule = program(variant)
    way = plan(schedule)
    sizes = {state: variant.sizes[state] for state in variant.states}
    weights = {p.name: torch.zeros(3) if p.kind == "diagonal" else torch.ones(4) for p in variant.parameters}
    with torch.no_grad():
        known = constants_of(schedule, way.constants, weights, torch.zeros(1, 1, 3), 4)
    text = emit(way, sizes, {index: size for index, (_, size) in known.items()}, double=False).text
    scan_order(schedule)
    for of_variant in (Variant.latex, Variant.plain, bounds, gates, wiring, dependent_products, hash):
        of_variant(variant)
    assert multiply_adds(variant, 3, 4) <= parameter_count(variant, 3, 4)
    edited = {**variant.mapping(), "equations": {**variant.equations, "h": variant.equations["h"] + " + bias()"}}
    assert Variant.from_edited_mapping(edited, variant.equations, "edited").output == "h"
    return text


def lines_run(task: Callable[[], object]) -> int:
    """Return how many lines of this package a task runs, each pass of a loop counted."""
    count = 0

    def line(frame, event, argument):
        nonlocal count
        count += event == "line"
        return line

    def call(frame, event, argument):
        return line if frame.f_code.co_filename.startswith(HOME) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        task()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_equations_take_twice_the_steps_and_twice_the_text(shape):
    derived(SHAPES[shape](10))  # what is read once for all variants
    steps, texts = [], []
    for count in (20, 40, 80):
        steps.append(lines_run(lambda count=count: texts.append(derived(SHAPES[shape](count)))))
    # a part that grows with the square would show as more in the second difference than in the first
    assert steps[2] - steps[1] < 2.2 * (steps[1] - steps[0])
    sizes = [len(text) for text in texts]
    assert sizes[2] - sizes[1] < 2.2 * (sizes[1] - sizes[0]) + 500  # longer numbers


@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=[pytest.mark.slow] if "each" in shape else []) for shape in SHAPES]
)
def test_more_equations_than_python_may_recurse(shape):
    assert derived(SHAPES[shape](1200))


@pytest.mark.parametrize("shape", ["read twice from a constant", "a state each, gated"])
def test_a_long_variant_runs(shape):
    variant = SHAPES[shape](300)
    law = results("loop", variant, 2, 1, 2, 2)
    assert len(law) > 4
    if scan_order(program(variant)) is not None:
        assert_same(results("scan", variant, 2, 1, 2, 2), law, torch.float64)


def test_an_equation_of_many_sources():
    many = Variant.from_mapping(
        {"name": "many", "state": ["h"], "equations": {"h": f"tanh(linear(x, {', '.join(['h'] * 600)}))"}}
    )
    assert len(plan(program(many)).stages.maps[0].sources) == 601
