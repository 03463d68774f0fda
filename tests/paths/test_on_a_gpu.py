"""The kernels on a CUDA device, against the loop: `make test-gpu`. The interpreter runs the same without one."""

import pytest
import torch

from gatelab.language import load_variant
from tests.conformance.sizes import fitting
from tests.paths.both_paths import assert_identical, results
from tests.paths.test_native import errors
from tests.paths.test_triton import FEW, OF_EQUATIONS

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
NEAR = 1e-5  # float32, of numbers of about 1
HALF = {torch.bfloat16: 0.05, torch.float16: 0.01}
LENGTHS = ((7, 0, 1, 7, 2), (7, 3, 2, 0, 1))


@pytest.fixture(autouse=True, scope="module")
def device():
    if not torch.cuda.is_available():
        pytest.exit("make test-gpu: torch finds no CUDA device", 2)


def both(name, dtype, time, batch, inputs, hidden, *rest, law=torch.float64):
    """What the kernels give, what the loop gives in double precision, and how far the loop is off in this precision."""
    variant = load_variant(name)
    arguments = (variant, time, batch, *fitting(variant, inputs, hidden))
    padded = (*rest, *(None, None, (), None)[len(rest) :], DEVICE)
    expected = results("loop", *arguments, law, *padded)
    found = results("triton", *arguments, dtype, *padded)
    return found, expected, errors(results("loop", *arguments, dtype, *padded), expected)


def assert_near(found, expected, bound, slack):
    assert found.keys() == expected.keys()
    for name, value in found.items():
        scale = max(1.0, float(expected[name].abs().max())) if expected[name].numel() else 1.0
        torch.testing.assert_close(
            value.double(), expected[name].double(), rtol=0, atol=bound * scale + 2 * slack[name], equal_nan=True
        )


@pytest.mark.parametrize("name", OF_EQUATIONS)
def test_the_whole_catalogue_agrees_with_the_loop(name):
    lengths = torch.tensor(LENGTHS, device=DEVICE)
    found, expected, slack = both(name, torch.float32, 7, 5, 5, 19, 2, lengths, tuple(load_variant(name).equations))
    assert_near(found, expected, NEAR, slack)


@pytest.mark.parametrize("hidden", [32, 64, 128, 256, 512])
@pytest.mark.parametrize("name", FEW)
def test_sizes_agree_with_the_loop(name, hidden):
    found, expected, slack = both(name, torch.float32, 20, 33, 16, hidden, 3)
    assert_near(found, expected, NEAR, slack)


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", FEW)
def test_half_precision_stays_near(name, dtype):
    found, expected, _ = both(name, dtype, 20, 33, 16, 64, 3)
    outputs = {key: value for key, value in found.items() if not key.startswith("gradient")}
    expected = {key: expected[key] for key in outputs}
    assert_near(outputs, expected, HALF[dtype], dict.fromkeys(outputs, 0.0))


@pytest.mark.parametrize("name", FEW)
def test_a_call_gives_the_same_bits_again(name):
    variant = load_variant(name)
    arguments = (variant, 50, 33, *fitting(variant, 16, 64), torch.float32, 3, None, (), None, DEVICE)
    assert_identical(results("triton", *arguments), results("triton", *arguments))


@pytest.mark.parametrize("name", FEW)
def test_a_run_alone_is_near_that_run_in_a_stack(name):
    variant = load_variant(name)
    sizes = (variant, 20, 33, *fitting(variant, 16, 64), torch.float32, 3, None, ())
    stacked, alone = results("triton", *sizes, None, DEVICE), results("triton", *sizes, 1, DEVICE)
    assert_near(alone, {key: value[1] for key, value in stacked.items()}, NEAR, dict.fromkeys(alone, 0.0))
