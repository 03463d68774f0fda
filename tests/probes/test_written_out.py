"""The formulas of a step, evaluated on numbers, are the derivative that autograd finds."""

import pytest
import torch

from gatelab import probes
from gatelab.compiler.linearised import Matrix, RowSlope
from gatelab.language import load_variant
from gatelab.probes.equation_values import element_wise, evaluated, stepped
from gatelab.probes.trace import trace
from tests.probes.looking import data, model

NAMES = ["lstm", "gru", "gru_v3", "janet", "cifg_peephole", "ur_gru", "r_lstm", "phased_lstm", "on_lstm", "cornn",
         "cfc", "layer_norm_lstm", "rhn_depth_3", "hgrn", "lem", "star", "exp_rnn", "tau_gru", "rg_lru"]  # fmt: skip


def matrix(factor, given, size):
    """Return a factor as a matrix; of a diagonal (size, size)."""
    if isinstance(factor, Matrix):
        return given.weights[factor.weight]
    if isinstance(factor, RowSlope):
        argument = evaluated(factor.argument, given)[0, 0]
        return torch.func.jacrev(element_wise(factor.function))(argument)
    value = evaluated(factor, given)
    return torch.diag((value[0, 0] if value.dim() == 3 else value).expand(size))


def by_autograd(found, target, source):
    """Return ∂target/∂source from the equations run with PyTorch."""

    def run(changed):
        previous = {name: value[0, 0] for name, value in found.previous.items()}
        x = found.inputs[0, 0]
        if source == "x":
            x = changed
        else:
            previous[source] = changed
        now = stepped(found.variant, found.weights, x, previous)
        return now[target].expand(found.size(target))

    at = found.inputs[0, 0] if source == "x" else found.previous[source][0, 0]
    return torch.autograd.functional.jacobian(run, at)


@pytest.mark.parametrize("name", NAMES)
def test_formulas_are_the_derivative(name):
    rnn = model(name, path="loop")
    found = trace(rnn, data(rnn), "linearise").at(torch.tensor([[3, 1]]))
    entries = probes.step_jacobian(load_variant(name)).entries
    for target in {*found.variant.states, found.variant.output}:
        for source in (*found.variant.states, "x"):
            expected = by_autograd(found, target, source)
            total = torch.zeros_like(expected)
            for terms in entries.get((target, source), {}).values():
                for term in terms:
                    product = torch.eye(len(expected), dtype=torch.float64)
                    for factor in term:
                        product = product @ matrix(factor, found.surroundings, product.shape[-1])
                    total = total + product
            torch.testing.assert_close(total, expected, rtol=1e-9, atol=1e-10)
