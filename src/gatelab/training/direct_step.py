"""The steps of a stack without Lightning and without autograd around the layer, to the same bits.

What a step of small networks costs is mostly Python: Lightning's loop, the checks of every call, autograd's nodes. Here
the compiled layer is called in memory that stands; with a loss and an optimiser that are compiled too, a whole block of
steps is one call, otherwise readout and loss are differentiated by autograd, step by step.
"""

import time
from dataclasses import replace

import torch
from torch import Tensor

from gatelab.layers.layer import RecurrentLayer
from gatelab.paths.call import Call
from gatelab.paths.choice import choose
from gatelab.paths.lengths import unless_full
from gatelab.paths.native.standing import StandingCall, in_place, standing, standing_bytes
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.products import product
from gatelab.training.compiled_head import head_losses
from gatelab.training.compiled_steps import LAYER, READOUT, CompiledSteps
from gatelab.training.stack_batches import StackBatch, StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.weight_noise import with_noise
from gatelab.training.weighted import mean_losses

__all__ = ["DirectStep", "direct_step"]

_LONGEST = 0.1
"""Seconds that a block of steps should take at most: in between a stop is noticed, and progress is shown."""
_CACHE = 1 << 20
"""Bytes that a group of runs may take: the second-level cache of a core."""
_OUTPUTS = 4 * _CACHE
"""Bytes of the outputs of runs that are validated together: less than new memory is worth."""


class DirectStep:
    """Takes the steps of a stack.

    Args:
        module: a stack that :func:`direct_step` lets through.
    """

    def __init__(self, module: StackModule) -> None:
        self.module = module
        self.layer: RecurrentLayer = module.template.rnn.layers[0]
        weights = module.weights()
        self.weights = {name: weight.detach() for name, weight in weights.items()}
        self.learned = {name.removeprefix(LAYER): one for name, one in weights.items() if name.startswith(LAYER)}
        self.readout = weights["readout.weight"], weights["readout.bias"]
        self.most = 1  # steps of the next block
        self._asked: dict[bool, Call | None] = {}
        self._calls: dict[bool, StandingCall] = {}
        self._blocks: dict[bool, CompiledSteps] = {}

    def ready(self, batch: StackBatch) -> bool:
        """Say whether a batch can be taken: its layer runs on the native path, with weights that it reads in place."""
        return self._call(batch, unless_full(batch.lengths, batch.inputs.shape[1])) is not None

    def together(self, batch: StackBatch) -> int:
        """Return how many runs a batch of a validation passes at once, so that their outputs stay in a cache."""
        steps, sequences = batch.inputs.shape[:2]
        return max(1, _OUTPUTS // (steps * sequences * self.layer.hidden_size * batch.inputs.element_size()))

    def take(self, data: StackData, most: int) -> None:
        """Take some steps in every active run, at least one; they end after one in which a run has diverged."""
        module = self.module
        kind, optimizer = module.compiled_loss, module.stack_optimizer
        if kind is None or not optimizer.compiled:
            self._take_one(data.batch(module.taken), kind)
            return
        noisy = any(configuration.training.weight_noise for configuration in module.configurations)
        block = data.block(module.taken, 1 if noisy else min(most, self.most))
        lengths = unless_full(block.lengths, block.inputs.shape[2])
        full = lengths is None
        if full not in self._blocks:
            call = self._call(block.first_step(), None if lengths is None else lengths[0])
            assert call is not None
            every = module.template.predicts == "every"
            self._blocks[full] = CompiledSteps(_lanes(call), kind, self.weights, optimizer, every=every)
        factors = module.coming_factors(len(block.inputs))
        begun = time.monotonic()  # after the compiler's time
        weights = with_noise(self.weights, module.configurations, module.taken) if noisy else self.weights
        means = self._blocks[full].take(block, factors, weights)
        module.taken_with(means)
        seconds = (time.monotonic() - begun) / len(means)
        self.most = max(1, min(2 * self.most, int(_LONGEST / max(seconds, 1e-9))))

    def _take_one(self, batch: StackBatch, kind: int | None) -> None:
        module = self.module
        module.set_factors()
        lengths = unless_full(batch.lengths, batch.inputs.shape[1])
        call = self._standing(batch, lengths)
        output = call.forward(batch.inputs, lengths).detach().requires_grad_()
        rows, about = self._rows(output, lengths), (batch.targets, batch.loss_weights, batch.divisors)
        if kind is None:
            means = mean_losses(module.task, self._predicted(rows, output), *about)
        else:
            means = head_losses(kind, rows, dict(zip(READOUT, self.readout, strict=True)), *about)
        arriving, *of_readout = torch.autograd.grad(means.sum(), (output, *self.readout))
        call.backward(arriving.contiguous())
        for name, weight in self.learned.items():
            weight.grad = call.gradients[name]
        for weight, gradient in zip(self.readout, of_readout, strict=True):
            weight.grad = gradient
        module.stack_optimizer.step()
        module.taken_with(means.detach())

    def _rows(self, output: Tensor, lengths: Tensor | None) -> Tensor:
        network = self.module.template
        return network.last(output, lengths) if network.predicts == "last" else output.flatten(-3, -2)

    def _predicted(self, rows: Tensor, output: Tensor) -> Tensor:
        weight, bias = self.readout
        found = product(rows, weight.mT, bias[..., None, :])
        last = self.module.template.predicts == "last"
        return found if last else found.unflatten(-2, output.shape[-3:-1])

    def _standing(self, batch: StackBatch, lengths: Tensor | None) -> StandingCall:
        full = lengths is None
        if full not in self._calls:
            call = self._call(batch, lengths)
            assert call is not None
            made = standing(call)
            assert made is not None
            self._calls[full] = made
        return self._calls[full]

    def _call(self, batch: StackBatch, lengths: Tensor | None) -> Call | None:
        """Return what the layer is asked for a stack; None where the native path does not read its weights in place."""
        full = lengths is None
        if full not in self._asked:
            inputs, layer, program = batch.inputs, self.layer, self.layer.program
            assert program is not None
            shape = (inputs.shape[0], inputs.shape[2])
            states = {state: inputs.new_zeros(*shape, size) for state, size in layer.state_sizes().items()}
            weights = {name: weight.detach() for name, weight in self.learned.items()}
            call = Call(program, weights, inputs, states, layer.hidden_size, lengths)
            native = choose(layer.path, call).path == "native" and in_place(call) is not None
            self._asked[full] = call if native else None
        return self._asked[full]


def _lanes(call: Call) -> list[StandingCall]:
    """Return the call of a group of runs, once for each thread that takes groups.

    A group is as large as keeps its memory in a cache: what a run writes on its way forwards is read on its way back.
    Where that is the whole stack, or a stack is one run, there is one group, which gets all threads.
    """
    runs, threads = len(call.inputs), allowed_threads()
    size = standing_bytes(_of_runs(call, 1))
    group = max(one for one in range(1, runs + 1) if runs % one == 0 and (one == 1 or one * size <= _CACHE))
    count = min(runs // group, threads)
    lanes = [standing(_of_runs(call, group), 1 if group < runs else threads) for _ in range(count)]
    return [one for one in lanes if one is not None]


def _of_runs(call: Call, runs: int) -> Call:
    """Return the call of the first runs of a stack."""
    return replace(
        call,
        weights={name: weight[:runs] for name, weight in call.weights.items()},
        inputs=call.inputs[:runs],
        states={name: state[:runs] for name, state in call.states.items()},
        lengths=None if call.lengths is None else call.lengths[:runs],
    )


def direct_step(module: StackModule, data: StackData) -> DirectStep | str:
    """Return what takes the steps of a stack without Lightning, or why Lightning takes them."""
    if reason := _refusal(module):
        return reason
    if not module.active or module.taken >= module.configurations[0].training.max_steps:
        return "no step is left"
    step = DirectStep(module)
    if not step.ready(data.batch(module.taken)):
        return "no compiled code reads its weights where they lie"
    module.together = step.together
    return step


def _refusal(module: StackModule) -> str | None:
    network, variant = module.template, module.template.rnn.variant
    if module.rank.of > 1:
        return f"training.devices={module.rank.of}"
    if module.configurations[0].training.precision != "32":
        return f"training.precision={module.configurations[0].training.precision}"
    if module.device.type != "cpu":
        return f"it is on {module.device.type}"
    if len(network.rnn.layers) > 1:
        return "more than one layer or direction"
    if module.pieces is not None:
        return "sequences taken piece by piece"
    if network.embedding is not None:
        return "an embedding"
    if network.direct is not None:
        return "direct weights"
    if not network.has_bias:
        return "a readout without bias"
    if variant.foreign is not None:
        return "a variant that is not written as equations"
    if variant.beside:
        return "what equations read beside x"
    if any(parameter.form is not None for parameter in variant.parameters):
        return "structured weights"
    compiled = module.compiled_loss is not None and module.stack_optimizer.compiled
    if not compiled and any(configuration.training.weight_noise for configuration in module.configurations):
        return "noise on the weights, and a loss or an optimizer that is not compiled"
    return None
