"""Tasks of precise timing: spikes at their times, signals of their spectrum, and chance by counting all streams."""

import itertools

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.randomness import generator
from gatelab.tasks import task_from_mapping
from gatelab.tasks.memory.delay import Delay
from gatelab.tasks.timing.periodic_function import TimingPfg
from gatelab.tasks.timing.spikes import TimingGts, TimingMsd
from tests.tasks.oracles import ORACLES

STANDARD_ERRORS = 5


def draw(task, size=4000):
    return task.draw(generator(0, "test"), size)


def scores(task, batch, outputs):
    return task.scores(torch.from_numpy(outputs), torch.from_numpy(batch.targets)).numpy()


def test_the_pictures_of_the_docstring():
    # among so many streams of three spikes there are some with the delays 0, 1, 1
    measured, generated = (draw(kind(length=12, period=3)) for kind in (TimingMsd, TimingGts))
    spikes = np.array([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1])
    of_measured = (measured.inputs[..., 0] == spikes[:, None]).all(0)
    of_generated = (generated.targets[..., 0] == spikes[:, None]).all(0)
    assert of_measured.sum() > 100
    np.testing.assert_array_equal(of_measured, of_generated)
    expected = np.array([-1, -1, -1, 0, -1, -1, -1, 1, -1, -1, -1, 1])
    assert (measured.targets[:, of_measured, 0] == expected[:, None]).all()
    # the next delay is given after the last spike, beyond the end
    told = np.array([0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])
    assert (generated.inputs[:, of_generated, 0] == told[:, None]).all()


@pytest.mark.parametrize(("period", "longest_delay"), [(2, 1), (5, 3)])
def test_spikes_follow_the_recurrence_with_uniform_delays(period, longest_delay):
    task = TimingMsd(length=41, period=period, longest_delay=longest_delay)
    batch = draw(task, 3000)
    firsts = []
    for column, asked, weights in zip(
        batch.inputs[..., 0].T, batch.targets[..., 0].T, batch.loss_weights.T, strict=True
    ):
        times = np.flatnonzero(column)
        intervals = np.diff(times, prepend=0) - period
        assert ((intervals >= 0) & (intervals <= longest_delay)).all()
        assert asked[times].tolist() == intervals.tolist()
        assert (np.delete(asked, times) == -1).all()
        assert weights.tolist() == column.tolist()
        # no spike is missing before the end
        assert times[-1] + period + longest_delay >= 41
        firsts.append(int(intervals[0]))
    expected = 3000 / (longest_delay + 1)
    for delay in range(longest_delay + 1):
        assert abs(firsts.count(delay) - expected) <= STANDARD_ERRORS * np.sqrt(expected)


@pytest.mark.parametrize(("length", "period", "longest_delay"), [(12, 3, 1), (13, 4, 2), (9, 2, 3), (4, 2, 1)])
def test_chance_of_measuring_is_one_delay_always_counted_over_all_streams(length, period, longest_delay):
    delays = range(longest_delay + 1)
    right = dict.fromkeys(delays, 0)
    streams = list(itertools.product(delays, repeat=length // period + 1))
    for stream in streams:
        times = np.cumsum([period + delay for delay in stream])
        seen = {delay for delay, time in zip(stream, times, strict=True) if time < length}
        for delay in delays:
            right[delay] += seen == {delay}
    task = TimingMsd(length=length, period=period, longest_delay=longest_delay)
    assert task.chance == pytest.approx(max(right.values()) / len(streams), rel=1e-12)
    batch = draw(task, 20_000)
    found = [scores(task, batch, np.full_like(batch.targets, delay))[-1].mean() for delay in delays]
    assert max(found) == pytest.approx(task.chance, abs=0.02)


def test_a_stream_counts_only_without_any_error():
    task = TimingMsd(length=12, period=3)
    batch = draw(task, 50)
    answers = ORACLES["timing_msd"](task, batch)
    assert scores(task, batch, answers + np.float32(0.48)).min() == 1
    assert scores(task, batch, answers + np.float32(0.5))[-1].max() == 0
    # an error at the second spike is an error from there on
    second = np.array([np.flatnonzero(column)[1] for column in batch.inputs[..., 0].T])
    answers[second, np.arange(50)] += 1
    steps = np.arange(12)[:, None]
    np.testing.assert_array_equal(scores(task, batch, answers), (steps < second).astype(np.float32))
    assert (batch.score_weights.sum(0) == 1).all()
    assert (batch.score_weights[-1] == 1).all()


def test_what_is_not_asked_between_spikes_is_not_judged():
    task = TimingMsd(length=12, period=3)
    batch = draw(task, 50)
    answers = np.where(batch.targets == -1, 99, batch.targets).astype(np.float32)
    assert scores(task, batch, answers)[-1].min() == 1


def test_spikes_too_many_too_few_or_too_late_spoil_a_stream():
    task = TimingGts(length=12, period=3)
    batch = draw(task, 50)
    answers = ORACLES["timing_gts"](task, batch)
    assert scores(task, batch, answers)[-1].min() == 1
    assert scores(task, batch, np.roll(answers, 1, 0))[-1].max() == 0
    assert scores(task, batch, np.full_like(answers, -1))[-1].max() == 0
    answers[0] = 1
    assert scores(task, batch, answers)[-1].max() == 0


def test_no_prediction_from_the_present_input_alone_generates_a_stream():
    task = TimingGts(length=12, period=2, longest_delay=1)
    batch = draw(task, 500)
    for of_zero, of_one in itertools.product((-1, 1), repeat=2):
        outputs = np.where(batch.inputs == 1, of_one, of_zero).astype(np.float32)
        assert scores(task, batch, outputs)[-1].max() == task.chance == 0


def test_a_delay_signal_has_unit_variance_and_no_frequency_above_its_band():
    task = Delay(length=40, lag=7, bandwidth=0.2)
    batch = draw(task, 5000)
    signal = batch.inputs[..., 0].astype(float)
    assert task.frequencies == 8
    power = (np.abs(np.fft.rfft(signal, axis=0)) ** 2).mean(1) * 2 / 40**2
    np.testing.assert_allclose(power[1:9], 1 / 8, rtol=0.1)
    assert power[0] < 1e-12
    assert power[9:].max() < 1e-12
    assert signal.var(1) == pytest.approx(np.ones(40), rel=0.1)
    np.testing.assert_array_equal(batch.targets[7:], batch.inputs[:-7])
    np.testing.assert_array_equal(batch.loss_weights[:, 0], np.arange(40) >= 7)
    np.testing.assert_array_equal(batch.score_weights, batch.loss_weights)


@pytest.mark.parametrize(("lag", "bandwidth"), [(1, 0.25), (3, 0.1), (25, 0.25)])
def test_chance_of_delay_is_the_best_multiple_of_the_present_number(lag, bandwidth):
    task = Delay(length=60, lag=lag, bandwidth=bandwidth)
    signal = draw(task, 20_000).inputs[..., 0].astype(float)
    present, past = signal[lag:].ravel(), signal[:-lag].ravel()
    slope = (present * past).mean() / (present**2).mean()
    assert ((past - slope * present) ** 2).mean() == pytest.approx(task.chance, abs=0.02)


SHAPES = ["cosine", "triangle", "rectangle"]


def test_periodic_functions_are_those_of_the_paper():
    values = {shape: draw(TimingPfg(length=21, shape=shape), 1).targets[:, 0, 0] for shape in SHAPES}
    np.testing.assert_allclose(values["cosine"][[0, 5, 10, 15]], [0, 1, 0, 1], atol=1e-7)
    assert values["cosine"][1] == pytest.approx(0.0954915, abs=1e-6)  # (1 - cos 36°) / 2
    np.testing.assert_allclose(values["triangle"][:11], [0, 0.2, 0.4, 0.6, 0.8, 1, 0.8, 0.6, 0.4, 0.2, 0], atol=1e-7)
    assert values["rectangle"][:11].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0]
    for shape in SHAPES:
        np.testing.assert_array_equal(values[shape][:11], values[shape][10:])


def test_phase_zero_is_one_sequence_alone_with_a_start():
    task = TimingPfg()
    batch = draw(task, 3)
    assert (batch.inputs[0] == [1, 0]).all()
    assert not batch.inputs[1:].any()
    np.testing.assert_array_equal(batch.targets, np.repeat(batch.targets[:, :1], 3, 1))
    np.testing.assert_array_equal(task.test().targets[:, 0], batch.targets[:, 0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("phase", ["zero", "random"])
def test_chance_of_a_periodic_function_is_its_variance(shape, phase):
    task = TimingPfg(shape=shape, phase=phase, length=38, period=9)
    batch = draw(task, 20_000)
    judged = batch.targets[..., 0][batch.score_weights > 0].astype(float)
    assert len(judged) == 37 * 20_000
    assert judged.var() == pytest.approx(task.chance, abs=1e-6 if phase == "zero" else 0.002)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_random_phase_is_told_by_the_start(shape):
    task = TimingPfg(shape=shape, phase="random", length=30, period=7)
    batch = draw(task, 200)
    # an edge of the rectangle may fall on a rounding
    assert np.abs(ORACLES["timing_pfg"](task, batch) - batch.targets).mean() < 1e-3


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        (
            {"name": "timing_msd", "length": 11},
            "task: length=11 must be at least 12 for a spike with period=10 and longest_delay=1",
        ),
        ({"name": "timing_gts", "period": 1}, "task.period=1: must be at least 2"),
        ({"name": "delay", "lag": 100}, "task: lag=100 must be less than length=100"),
        ({"name": "delay", "bandwidth": 0.005}, "task: bandwidth=0.005 must be at least 1/100, one cycle a sequence"),
        ({"name": "delay", "bandwidth": 0.5}, "task.bandwidth=0.5: must be less than 0.5"),
        ({"name": "delay", "test_length": 25}, "task: test_length=25: lag=25 must be less than length=25"),
        (
            {"name": "timing_pfg", "shape": "square"},
            "task.shape=square: must be 'cosine', 'triangle' or 'rectangle'",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        task_from_mapping(mapping)
    assert str(refused.value) == line
