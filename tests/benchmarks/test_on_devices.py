"""The benchmark of GPUs, as far as no GPU is needed: who is timed, what is counted, what is refused."""

import pytest
import torch

from benchmarks.gpu.contenders import Size
from benchmarks.gpu.device_command import shares, timed_on
from benchmarks.gpu.roofline import DEVICES, bound, steps_of
from benchmarks.paths.command import benchmark
from gatelab.errors import UserError


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"^device=cuda: no CUDA device is available.*; allowed here: cpu$"):
        benchmark(["device=cuda"])


@pytest.mark.parametrize(
    ("word", "message"),
    [("device=tpu", r"^device=tpu: must be cpu or cuda$"), ("stacks=4", r"unknown key 'stacks'")],
)
def test_words_that_mean_nothing_on_a_cpu(word, message):
    with pytest.raises(UserError, match=message):
        benchmark([word])


def test_a_stack_is_timed_beside_modules_one_by_one():
    rows = timed_on("cpu", "lstm", Size(3, 2, 3, 4, 2), torch.float32, 1)
    assert [row["path"] for row in rows] == ["native", "loop", "torch.nn"]
    assert all(row["both_ms"] > 0 and row["a_run_ms"] == row["both_ms"] / 2 for row in rows)
    assert rows[-1]["of_torch.nn"] == 1.0


def test_a_step_of_an_lstm_has_four_products_and_a_dozen_vectors():
    both = steps_of("lstm", 64)
    for step in both.values():
        assert step.operations == 2 * 4 * 64 * 64
        assert step.weights == 4 * 4 * 64 * 64
    # forwards: four gates before, four after, a state that is read again, h, c and the output
    assert both["forward"].bytes == 12 * 4 * 64


def test_the_roof_is_the_longest_of_what_takes_time():
    step, device = steps_of("lstm", 64)["forward"], DEVICES[0]
    one, why = bound(step, device, 1, 4, streamed=False)
    # 16 tiles on 16 of 108 processors: as long as one tile of four sequences
    assert why == "tile"
    assert one == pytest.approx(4 * step.operations / (19.5e12 / 108))
    many, why = bound(step, device, 27 * 4, 4, streamed=False)
    assert why == "tile"
    assert many == pytest.approx(16 * one)


def test_shares_are_of_published_peaks():
    size = Size(100, 64, 32, 64, 10)
    row = {"path": "triton", "variant": "lstm", "both_ms": 1.0, "size": size}
    found = shares(row, "NVIDIA H100 80GB HBM3")
    assert found["of_peak"] == pytest.approx(64_000 * 2 * 32768 / 1e-3 / 66.9e12)
    unknown = shares(row, "NVIDIA GeForce RTX 4090")
    assert unknown["of_peak"] != unknown["of_peak"]
