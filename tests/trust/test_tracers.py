"""Every variant of the catalogue under every tracer of torch: the numbers are those of the plain call."""

import copy
import io
import random

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.export import Dim
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from gatelab import RNN
from gatelab.language import load_variant, variant_files
from tests.conformance.sizes import fitting

NAMES = sorted(variant_files())
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
OUTSIDE = "ignore:.*:"

pytestmark = [
    # of torch's own tools, none of them about what is traced
    pytest.mark.filterwarnings(f"{OUTSIDE}FutureWarning"),
    pytest.mark.filterwarnings(f"{OUTSIDE}DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor to a Python"),  # what it did with it shows in the numbers
]


def step(module, x):
    """Return the outputs and all gradients of one training step."""
    module.zero_grad()
    x = x.clone().requires_grad_()
    output, state = module(x)
    states = state if isinstance(state, tuple) else (state,)
    (output.square().sum() + sum(part.sum() for part in states)).backward()
    return [
        output.detach(),
        x.grad,
        *(weight.grad.clone() for weight in module.parameters() if weight.grad is not None),
    ]


def close(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True, **CLOSE)


def compiled(rnn, x, other):
    torch._dynamo.reset()
    module = torch.compile(rnn, backend="aot_eager")
    close(step(module, x), step(rnn, x))
    torch._dynamo.reset()


def exported(rnn, x, other):
    program = torch.export.export(rnn, (x,), dynamic_shapes=({1: Dim("batch")},))
    with torch.no_grad():
        close([program.module()(other)[0]], [rnn(other)[0]])


def jit_traced(rnn, x, other):
    traced = torch.jit.trace(rnn, (x,), check_trace=False)
    with torch.no_grad():
        close([traced(other)[0]], [rnn(other)[0]])


def graphed(rnn, x, other):
    weights = dict(rnn.named_parameters())
    graph = make_fx(lambda given, x: functional_call(rnn, given, (x,))[0])(weights, x)
    with torch.no_grad():
        close([graph(weights, x)], [rnn(x)[0]])


def faked(rnn, x, other):
    real = step(rnn, x)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = torch.zeros(x.shape, requires_grad=True)
        output, _ = rnn(fake)
        output.sum().backward()
    assert output.shape == real[0].shape and output.stride() == real[0].stride() and output.dtype == real[0].dtype
    assert fake.grad.shape == x.shape
    rnn.zero_grad(set_to_none=True)


def counted(rnn, x, other):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output, _ = rnn(x)
    close([output], [rnn(x)[0].detach()])
    assert counter.get_total_flops() >= 0


def cast(rnn, x, other):
    rounded = x.bfloat16()
    with torch.no_grad():
        expected, _ = rnn(rounded.float())
        with torch.autocast("cpu", torch.bfloat16):
            output, _ = rnn(rounded)
    assert output.dtype is torch.float32
    close([output], [expected])


def differentiated(rnn, x, other):
    weights = {name: weight.detach() for name, weight in rnn.named_parameters()}

    def loss(given):
        return functional_call(rnn, given, (x,))[0].square().sum()

    found = torch.func.grad(loss)(weights)
    rnn.zero_grad()
    rnn(x)[0].square().sum().backward()
    for name, weight in rnn.named_parameters():
        expected = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(found[name], expected, equal_nan=True, **CLOSE)


def mapped(rnn, x, other):
    with torch.no_grad():
        both = torch.vmap(lambda x: rnn(x)[0])(torch.stack([x, 2 * x]))
        close(list(both), [rnn(x)[0], rnn(2 * x)[0]])


def checkpointed(rnn, x, other):
    class Around(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = rnn

        def forward(self, x):
            return checkpoint(self.inner, x, use_reentrant=False)

    close(step(Around(), x), step(rnn, x))


def copied(rnn, x, other):
    file = io.BytesIO()
    torch.save(rnn.state_dict(), file)
    file.seek(0)
    twin = copy.deepcopy(rnn)
    twin.load_state_dict(torch.load(file, weights_only=True))
    close(step(twin, x), step(rnn, x))


TRACERS = {
    "torch.compile (aot_eager)": compiled,
    "torch.export, dynamic batch": exported,
    "torch.jit.trace": jit_traced,
    "make_fx": graphed,
    "FakeTensorMode": faked,
    "FlopCounterMode": counted,
    "autocast": cast,
    "torch.func.grad": differentiated,
    "torch.vmap": mapped,
    "checkpoint": checkpointed,
    "deepcopy and state_dict": copied,
}
KINDS = tuple(TRACERS)
QUICK = ("torch.export, dynamic batch", "autocast")


def test_tracers(chunk):
    names = random.Random(0).sample(NAMES, len(NAMES))
    for number in chunk.numbers:
        name = names[number % len(names)]
        inputs, hidden = fitting(load_variant(name), 3, 4)
        torch.manual_seed(number)
        rnn = RNN(name, inputs, hidden)
        with chunk.trial(name):
            TRACERS[chunk.kind](rnn, torch.randn(5, 2, inputs), torch.randn(5, 7, inputs))
            chunk.came_to("the numbers of the plain call")
