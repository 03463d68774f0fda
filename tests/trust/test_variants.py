"""Random variants: compiled code against the loop in double precision, in double and in single precision."""

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from gatelab.compiler import program
from gatelab.errors import UserError
from tests.paths.both_paths import assert_same, results
from tests.paths.random_variants import variants


@st.composite
def cases(draw):
    """Draw a variant, the sizes of a call, a stack or none, and lengths or none."""
    equal = draw(st.booleans())
    variant = draw(variants(equal_sizes=equal))
    hidden = draw(st.sampled_from((1, 2, 3, 8, 11, 17)))
    inputs = hidden if equal or variant.needs_equal_sizes else draw(st.sampled_from((1, 2, 13)))
    time, batch, runs = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.sampled_from((None, None, 2)))
    lengths = None
    if draw(st.booleans()):
        drawn = draw(st.lists(st.integers(0, time), min_size=batch * (runs or 1), max_size=batch * (runs or 1)))
        lengths = torch.tensor(drawn).view((runs, batch) if runs else (batch,))
    return variant, time, batch, inputs, hidden, runs, lengths


def test_variants(chunk):
    @seed(chunk.first)
    @settings(
        max_examples=chunk.count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases())
    def compare(case):
        variant, *sizes, runs, lengths = case
        with chunk.trial(f"{dict(variant.equations)} {sizes} {runs} {lengths}"):
            try:
                program(variant)
            except UserError:
                chunk.came_to("refused")
                return
            law = results("loop", variant, *sizes, torch.float64, runs, lengths)
            assert_same(results("native", variant, *sizes, torch.float64, runs, lengths), law, torch.float64)
            rounded = results("loop", variant, *sizes, torch.float32, runs, lengths)
            # what rounding does to the loop itself, it may do to compiled code
            slack = {
                name: 4 * float((value.double() - law[name].double()).abs().nan_to_num().max())
                if value.numel()
                else 0.0
                for name, value in rounded.items()
            }
            assert_same(results("native", variant, *sizes, torch.float32, runs, lengths), law, torch.float32, slack)
            chunk.came_to("agree")
            if any(not value.isfinite().all() for value in law.values()):
                chunk.came_to("of them with infinities or NaN")

    compare()
