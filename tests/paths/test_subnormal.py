"""Compiled code makes no subnormal gradients, and leaves the mode of the thread that calls it as it was."""

import platform

import pytest
import torch

from gatelab import RNN, variant

SMALLEST = {torch.float32: 1.1754943508222875e-38, torch.float64: 2.2250738585072014e-308}
STEPS = {torch.float32: 400, torch.float64: 3000}
PROCESSORS = ("x86_64", "AMD64", "aarch64", "arm64")


def fading(path: str, dtype: torch.dtype) -> torch.Tensor:
    """Return the gradient of the last output with respect to every input, which fades to nothing."""
    torch.manual_seed(0)
    rnn = RNN("gru", 3, 16, path=path).to(dtype)
    x = torch.rand(STEPS[dtype], 2, 3, dtype=dtype, requires_grad=True)
    output, _ = rnn(x)
    output[-1].sum().backward()
    assert x.grad is not None
    return x.grad


def subnormal(numbers: torch.Tensor) -> int:
    """Return how many of them are neither 0 nor normal, whatever the mode of this thread is."""
    whole = numbers.view(torch.int32 if numbers.dtype is torch.float32 else torch.int64)
    bits = 23 if numbers.dtype is torch.float32 else 52
    exponent = (whole >> bits) & (0xFF if bits == 23 else 0x7FF)
    return int(((exponent == 0) & (whole & ((1 << bits) - 1) != 0)).sum())


@pytest.mark.skipif(platform.machine() not in PROCESSORS, reason="the code knows how on x86-64 and ARM alone")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_that_fades_ends_in_zeros(dtype: torch.dtype, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    ours = fading("native", dtype)
    torch.set_num_threads(before)
    law = fading("loop", dtype)
    assert subnormal(law) > 20
    assert subnormal(ours) == 0
    assert ours[0].abs().max() == 0
    torch.testing.assert_close(ours, law, rtol=1e-3, atol=100 * SMALLEST[dtype])


def test_the_calling_thread_keeps_its_subnormal_numbers() -> None:
    fading("native", torch.float32)
    small = torch.full((64,), 1e-38) * 0.25
    assert subnormal(small) == 64


def test_a_thread_that_flushes_them_goes_on_doing_so() -> None:
    assert torch.set_flush_denormal(True)
    fading("native", torch.float32)
    small = torch.full((64,), 2e-38) * 0.25
    torch.set_flush_denormal(False)
    assert subnormal(small) == 0


@pytest.mark.parametrize(
    ("text", "number", "dtype"),
    [
        ("log(exp(x))", -90.0, torch.float32),
        ("exp(x)/exp(x)", -90.0, torch.float32),
        ("x*x/(x*x)", 1e-20, torch.float32),
        ("x*x/(x*x)", 1e-160, torch.float64),
        ("x/sqrt(x*x)", 1e-20, torch.float32),
        ("sqrt(x*x)", 1e-20, torch.float32),
    ],
)
def test_values_on_the_way_forwards_may_be_subnormal(text: str, number: float, dtype: torch.dtype) -> None:
    """A logarithm or a quotient of one is a number, and that of a zero in its place is none."""
    results = {}
    for path in ("native", "loop"):
        rnn = RNN(variant("elman").edit(h=text), 4, 4, path=path).to(dtype)
        x = torch.full((3, 2, 4), number, dtype=dtype, requires_grad=True)
        output, _ = rnn(x)
        output.sum().backward()
        assert x.grad is not None
        results[path] = (output.detach(), x.grad)
    assert torch.isfinite(results["native"][0]).all()
    for ours, law in zip(results["native"], results["loop"], strict=True):
        torch.testing.assert_close(ours, law, rtol=1e-4, atol=0.0, equal_nan=True)
