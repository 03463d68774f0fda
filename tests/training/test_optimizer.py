"""The optimiser of a stack, compared with torch's own on one run at a time."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from gatelab.keys import OptimizerSection
from gatelab.training.optimizer import StackOptimizer
from tests.training.examples import OPTIMIZERS, configuration, optimizer

RELATIVE, ABSOLUTE = 1e-6, 2e-6  # float32; a dozen steps may add up to ten and come back to nearly nothing
SHAPES = {"weight": (4, 3), "bias": (4,), "scalar": ()}
RATES, DECAYS, NORMS = [0.05, 0.003, 0.2], [0.0, 0.1, 0.02], [None, 0.5, 3.0]
RUNS = range(len(RATES))


def drawn(runs):
    return {name: torch.randn(runs, *shape) for name, shape in SHAPES.items()}


def stack_optimizer(weights, name="SGD plain", rates=RATES, decays=DECAYS, norms=NORMS):
    section = OptimizerSection(**optimizer(name, 1.0, 0.0))
    return StackOptimizer(weights, section, rates, decays, norms)


def stepped(weights, stack, gradients):
    for name, weight in weights.items():
        weight.grad = gradients[name]
    stack.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_run_goes_where_torch_takes_it(name):
    weights = drawn(3)
    alone = [{key: torch.nn.Parameter(weight[run].clone()) for key, weight in weights.items()} for run in RUNS]
    kind = getattr(torch.optim, name.split()[0])
    plain = [kind(alone[run].values(), lr=RATES[run], weight_decay=DECAYS[run], **OPTIMIZERS[name]) for run in RUNS]
    stack = stack_optimizer(weights, name)
    for _ in range(12):
        gradients = drawn(3)
        stepped(weights, stack, gradients)
        for run in RUNS:
            for key, parameter in alone[run].items():
                parameter.grad = gradients[key][run].clone()
            if NORMS[run] is not None:
                torch.nn.utils.clip_grad_norm_(list(alone[run].values()), NORMS[run])
            plain[run].step()
    for run in RUNS:
        for key, parameter in alone[run].items():
            torch.testing.assert_close(weights[key][run], parameter.data, rtol=RELATIVE, atol=ABSOLUTE)


def test_no_optimiser_imports_the_compiler_of_torch():
    program = (
        "import sys\n"
        "from tests.training.test_optimizer import OPTIMIZERS, drawn, stack_optimizer, stepped\n"
        "for name in OPTIMIZERS:\n"
        "    weights = drawn(3)\n"
        "    stepped(weights, stack_optimizer(weights, name), drawn(3))\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_norm_is_that_of_all_gradients_of_a_run_before_clipping():
    weights, gradients = drawn(3), drawn(3)
    stack = stack_optimizer(weights)
    stepped(weights, stack, gradients)
    for run in RUNS:
        parameters = [torch.nn.Parameter(weight[run].clone()) for weight in weights.values()]
        for parameter, gradient in zip(parameters, gradients.values(), strict=True):
            parameter.grad = gradient[run].clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        torch.testing.assert_close(stack.gradient_norms[run], norm, rtol=RELATIVE, atol=0.0)


def test_the_schedule_scales_a_step():
    weights, gradients = drawn(3), drawn(3)
    before = {name: weight.clone() for name, weight in weights.items()}
    stack = stack_optimizer(weights, norms=[None] * 3, decays=[0.0] * 3)
    stack.factors = torch.tensor([1.0, 0.25, 0.0])
    stepped(weights, stack, gradients)
    for name, weight in weights.items():
        for run, factor in enumerate([1.0, 0.25, 0.0]):
            expected = before[name][run] - RATES[run] * factor * gradients[name][run]
            torch.testing.assert_close(weight[run], expected, rtol=RELATIVE, atol=ABSOLUTE)


def test_the_first_step_of_a_warm_up_goes_its_share_of_the_way():
    run = configuration("unused", schedule={"name": "constant", "warmup_steps": 4})
    assert [run.schedule.factor(step, 8) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("fault", [float("nan"), float("inf"), -float("inf"), 3e38])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_that_is_not_finite_is_not_taken(name, fault):
    """3e38 is finite, but its square is not."""
    weights = drawn(3)
    before = {key: weight.clone() for key, weight in weights.items()}
    stack = stack_optimizer(weights, name)
    gradients = drawn(3)
    gradients["weight"][1, 2, 0] = fault
    stepped(weights, stack, gradients)
    assert stack.healthy.tolist() == [True, False, True]
    for key, weight in weights.items():
        assert torch.equal(weight[1], before[key][1])
        assert torch.isfinite(weight).all()
        assert not torch.equal(weight[0], before[key][0])


def test_an_update_that_overflows_is_not_taken():
    weights = drawn(3)
    before = {key: weight.clone() for key, weight in weights.items()}
    stack = stack_optimizer(weights, rates=[1e39, 3e38, 0.1], decays=[0.0] * 3, norms=[None] * 3)
    stepped(weights, stack, {key: 10 + gradient for key, gradient in drawn(3).items()})
    assert stack.healthy.tolist() == [False, False, True]
    for key, weight in weights.items():
        assert torch.equal(weight[:2], before[key][:2])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_that_is_not_active_stays_where_it_is(name):
    weights = drawn(3)
    stack = stack_optimizer(weights, name)
    stepped(weights, stack, drawn(3))
    before = {key: weight.clone() for key, weight in weights.items()}
    stack.active = torch.tensor([True, True, False])
    stepped(weights, stack, drawn(3))
    for key, weight in weights.items():
        assert torch.equal(weight[2], before[key][2])
        assert not torch.equal(weight[1], before[key][1])


def test_an_epsilon_of_zero_does_not_make_a_run_diverge():
    """Rows are padded with zeros, where 0/0 belongs to no weight."""
    weights = drawn(2)
    section = OptimizerSection(_target_="torch.optim.RMSprop", lr=1.0, eps=0.0)
    stack = StackOptimizer(weights, section, [0.1, 0.1], [0.0, 0.0], [None, 1.0])
    for _ in range(3):
        stepped(weights, stack, drawn(2))
        assert stack.healthy.tolist() == [True, True]


def test_a_weight_without_a_gradient_stays():
    weights = drawn(2)
    before = weights["scalar"].clone()
    stack = stack_optimizer(weights, rates=[0.1] * 2, decays=[0.0] * 2, norms=[None] * 2)
    stepped(weights, stack, {**drawn(2), "scalar": None})
    assert torch.equal(weights["scalar"], before)


def test_the_state_of_a_run_is_torchs_own_and_in_the_shapes_of_the_weights():
    weights = drawn(3)
    stack = stack_optimizer(weights, "Adam", decays=[0.0] * 3, norms=[None] * 3)
    parameters = [torch.nn.Parameter(weight[1].clone()) for weight in weights.values()]
    plain = torch.optim.Adam(parameters, betas=(0.8, 0.99))
    for _ in range(2):
        gradients = drawn(3)
        stepped(weights, stack, gradients)
        for parameter, gradient in zip(parameters, gradients.values(), strict=True):
            parameter.grad = gradient[1].clone()
        plain.step()
    state = stack.run_state(1)
    assert float(state["step"]) == 2
    for key, parameter in zip(weights, parameters, strict=True):
        for kind in ("exp_avg", "exp_avg_sq"):
            assert state[kind][key].shape == SHAPES[key]
            torch.testing.assert_close(state[kind][key], plain.state[parameter][kind], rtol=RELATIVE, atol=ABSOLUTE)


COMPILED = {
    **{
        f"{kind}, betas {first} and {second}": (kind, [{"betas": (first, second)}] * 3)
        for kind in ("Adam", "AdamW")
        for first, second in ((0.9, 0.999), (0.4, 0.9), (0.5, 0.5), (0.0, 0.0))
    },
    "SGD": ("SGD", [{}] * 3),
    "SGD, momentum": ("SGD", [{"momentum": 0.9}] * 3),
    "SGD, nesterov": ("SGD", [{"momentum": 0.9, "nesterov": True}] * 3),
    "SGD, a momentum for each run": ("SGD", [{"momentum": 0.9}, {"momentum": 0.5}, {"momentum": 0.0}]),
    "RMSprop": ("RMSprop", [{"alpha": 0.9}] * 3),
    "RMSprop, momentum": ("RMSprop", [{"alpha": 0.9, "momentum": 0.5}] * 3),
    "RMSprop, arguments for each run": (
        "RMSprop", [{"alpha": 0.9}, {"alpha": 0.5, "momentum": 0.9}, {"alpha": 0.99, "eps": 1e-4}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("decays", [DECAYS, [0.0] * 3], ids=["decays", "no decay"])
def test_compiled_steps_go_where_torchs_go(monkeypatch, name, decays):
    """With a run that learns no longer, and at last gradients that are not finite, after which a run is frozen."""
    ours = drawn(3)
    theirs = {key: weight.clone() for key, weight in ours.items()}
    kind, each = COMPILED[name]
    section = OptimizerSection(_target_=f"torch.optim.{kind}", lr=1.0, weight_decay=0.0)
    compiled = StackOptimizer(ours, section, RATES, decays, NORMS, each)
    monkeypatch.setattr("gatelab.training.optimizer.fused_optimizer", lambda *_: None)
    plain = StackOptimizer(theirs, section, RATES, decays, NORMS, each)
    assert compiled.compiled
    assert not plain.compiled
    for step in range(16):
        gradients = drawn(3)
        if step == 6:
            for one in (compiled, plain):
                one.active = torch.tensor([True, False, True])
        if step == 15:
            gradients["bias"][0, 1], gradients["bias"][2, 0] = float("inf"), float("nan")
        stepped(ours, compiled, gradients)
        stepped(theirs, plain, {key: gradient.clone() for key, gradient in gradients.items()})
        torch.testing.assert_close(ours, theirs, rtol=RELATIVE, atol=1e-5)  # sixteen steps of 0.2 round that far
        torch.testing.assert_close(
            compiled.gradient_norms, plain.gradient_norms, rtol=RELATIVE, atol=0.0, equal_nan=True
        )
        assert torch.equal(compiled.healthy, plain.healthy)
    assert compiled.healthy.tolist() == [False, True, False]
    for run in (1, 2):
        found, expected = compiled.run_state(run), plain.run_state(run)
        torch.testing.assert_close(found, expected, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)


@pytest.mark.parametrize("decoupled", [False, True])
def test_a_compiled_step_is_rounded_as_the_equations_are(decoupled):
    """NumPy's operations, one after the other; without clipping, so that the order of the norm is no matter."""
    f32 = np.float32
    weights = {"weight": torch.randn(2, 40)}
    section = OptimizerSection(_target_=f"torch.optim.Adam{'W' if decoupled else ''}", lr=1.0)
    stack = StackOptimizer(weights, section, [0.1, 0.1], [0.25, 0.25], [None, None])
    w = weights["weight"].numpy().copy()
    m, v = np.zeros_like(w), np.zeros_like(w)
    for step in (1, 2, 3):
        gradient = torch.randn(2, 40)
        stepped(weights, stack, {"weight": gradient})
        g = gradient.numpy() if decoupled else gradient.numpy() + w * f32(0.25)
        # products and sums that are fused: exact in double precision, then rounded once (but for the rarest of cases)
        m = (m + f32(1 - 0.9) * (g - m).astype(float)).astype(f32)
        v = ((f32(1 - 0.999) * g).astype(float) * g + v * f32(0.999)).astype(f32)
        root, size = f32((1 - 0.999**step) ** 0.5), f32(-1 / (1 - 0.9**step))
        update = size * m / (np.sqrt(v) / root + f32(1e-8))
        update = (update - w * f32(0.25) if decoupled else update) * f32(0.1)
        w = w + update
        assert np.array_equal(weights["weight"].numpy(), w)


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_compiled_step_with_momentum_is_rounded_as_the_equations_are(nesterov):
    """NumPy's operations, one after the other, in single precision; Nesterov's product and sum are fused."""
    f32 = np.float32
    weights = {"weight": torch.randn(2, 40)}
    section = OptimizerSection(_target_="torch.optim.SGD", lr=1.0, momentum=0.9, nesterov=nesterov)
    stack = StackOptimizer(weights, section, [0.1, 0.1], [0.25, 0.25], [None, None])
    w = weights["weight"].numpy().copy()
    m = np.zeros_like(w)
    for _ in range(3):
        gradient = torch.randn(2, 40)
        stepped(weights, stack, {"weight": gradient})
        g = gradient.numpy() + w * f32(0.25)
        m = m * f32(0.9) + g
        update = -((m * f32(0.9).astype(float) + g).astype(f32) if nesterov else m)
        w = w + update * f32(0.1)
        assert np.array_equal(weights["weight"].numpy(), w)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("SGD", {"momentum": 0.9, "dampening": 0.1}),
        ("RMSprop", {"centered": True}),
        ("Adam", {"amsgrad": True}),
        ("Adagrad", {}),
    ],
)
def test_what_is_not_compiled_is_left_to_torch(kind, arguments):
    section = OptimizerSection(_target_=f"torch.optim.{kind}", lr=1.0, **arguments)
    assert not StackOptimizer(drawn(3), section, RATES, DECAYS, NORMS).compiled


def test_runs_that_differ_in_nesterov_are_left_to_torch():
    section = OptimizerSection(_target_="torch.optim.SGD", lr=1.0)
    each = [{"momentum": 0.9, "nesterov": one} for one in (True, False, True)]
    assert not StackOptimizer(drawn(3), section, RATES, DECAYS, NORMS, each).compiled


@pytest.mark.parametrize("kind", ["Adam", "RMSprop"])
def test_small_gradients_move_weights_without_an_epsilon(kind):
    """Their squares are subnormal, and are what divides."""
    weights = drawn(3)
    before = {key: weight.clone() for key, weight in weights.items()}
    section = OptimizerSection(_target_=f"torch.optim.{kind}", lr=1.0, eps=0.0)
    stack = StackOptimizer(weights, section, RATES, [0.0] * 3, [None] * 3)
    assert stack.compiled
    stepped(weights, stack, {key: 1e-20 * gradient.sign() for key, gradient in drawn(3).items()})
    assert stack.healthy.tolist() == [True] * 3
    assert not torch.equal(weights["weight"], before["weight"])
