"""Functions of a whole vector, and those composed of others, on the paths that run them."""

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.language.functions import COMPOSED, ROW_FUNCTIONS
from gatelab.layers.layer import Layer
from tests.paths.both_paths import assert_same, results


def variant_of(text):
    return Variant.from_mapping({"name": "tried", "state": ["h"], "equations": {"h": text}})


def row(name, u):
    """The definitions, one row at a time."""
    e = np.exp(u - u.max())
    values = {
        "softmax": e / e.sum(),
        "cumax": np.array([e[: i + 1].sum() / e.sum() for i in range(len(u))]),
        "layer_norm": (u - u.mean()) / np.sqrt(u.var() + 1e-5),
        "roll": np.array([u[-1], *u[:-1]]),
    }
    return values[name]


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_values_of_row_functions(name):
    x = torch.randn(3, 2, 5, dtype=torch.float64)
    output, _, _ = Layer(variant_of(f"{name}(x)"), 5, 5, dtype=torch.float64)(x)
    expected = np.stack([[row(name, one) for one in step] for step in x.numpy()])
    np.testing.assert_allclose(output.numpy(), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ROW_FUNCTIONS[name].value(x.numpy()), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_gradients_of_row_functions(name):
    layer = Layer(variant_of(f"{name}(linear(x, h))"), 2, 3, dtype=torch.float64)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: layer(value)[0], (x,))


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_a_row_function_takes_the_loop_and_the_native_path_says_why_not(name):
    variant = variant_of(f"{name}(linear(x, h))")
    assert Layer(variant, 2, 3)(torch.zeros(1, 1, 2))[0].shape == (1, 1, 3)
    with pytest.raises(UserError, match=f"path=native cannot run: it does not know row functions \\({name}\\)"):
        Layer(variant, 2, 3, path="native")(torch.zeros(1, 1, 2))


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
@pytest.mark.parametrize("size", [5, 64, 67])
def test_a_row_function_gives_a_run_of_a_stack_the_bits_of_the_run_alone(name, size):
    layer = Layer(variant_of(f"{name}(x + h)"), size, size)
    x = torch.randn(6, 4, 3, size)
    stacked = layer(x)[0]
    for run in range(6):
        assert torch.equal(stacked[run], layer(x[run : run + 1])[0][0])


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_agree_on_both_paths_and_with_their_table(name):
    variant = variant_of(f"{name}(3*linear(x, h))*{name}(linear(x))")
    arguments = (variant, 4, 3, 3, 5, torch.float64)
    assert_same(results("native", *arguments), results("loop", *arguments), torch.float64)
    x = torch.linspace(-30, 30, 401, dtype=torch.float64)[:, None, None]
    output, _, _ = Layer(variant_of(f"{name}(x)"), 1, 1, dtype=torch.float64)(x)
    np.testing.assert_allclose(output[:, 0, 0], COMPOSED[name].value(x[:, 0, 0].numpy()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", ["loop", "native"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_and_their_slopes_are_finite_far_out(name, dtype, path):
    x = torch.tensor([-1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4], dtype=dtype)[:, None, None].requires_grad_()
    output, _, _ = Layer(variant_of(f"{name}(x)"), 1, 1, dtype=dtype, path=path)(x)
    output.sum().backward()
    assert output.isfinite().all()
    assert x.grad.isfinite().all()
    # they only grow, to rounding
    assert (output[1:] >= output[:-1] - 1e-6).all()
