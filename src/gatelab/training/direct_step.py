"""One step of a stack without Lightning and without autograd around the layer, to the same bits.

What a step of small networks costs is mostly Python: Lightning's loop, the checks of every call, autograd's nodes. Here
the compiled layer is called in memory that stands, and only readout and loss are differentiated by autograd.
"""

import torch
from torch import Tensor

from gatelab.layers.layer import RecurrentLayer
from gatelab.paths.call import Call
from gatelab.paths.choice import choose
from gatelab.paths.lengths import unless_full
from gatelab.paths.native.standing import StandingCall, standing
from gatelab.paths.products import product
from gatelab.training.lightning_module import StackModule
from gatelab.training.stack_batches import StackBatch, StackData
from gatelab.training.weighted import mean_losses

__all__ = ["DirectStep", "direct_step"]

_LAYER = "rnn.layers.0."


class DirectStep:
    """Takes the steps of a stack.

    Args:
        module: a stack that :func:`direct_step` lets through.
    """

    def __init__(self, module: StackModule) -> None:
        self.module = module
        self.layer: RecurrentLayer = module.template.rnn.layers[0]
        weights = module.weights()
        self.learned = {name.removeprefix(_LAYER): one for name, one in weights.items() if name.startswith(_LAYER)}
        self.readout = weights["readout.weight"], weights["readout.bias"]
        self._calls: dict[bool, StandingCall | None] = {}

    def ready(self, batch: StackBatch) -> bool:
        """Say whether a batch can be taken: its layer runs on the native path, with weights that it reads in place."""
        return self._call(batch, unless_full(batch.lengths, batch.inputs.shape[1])) is not None

    def take(self, batch: StackBatch) -> None:
        """Take one step in every active run."""
        module = self.module
        module.set_factors()
        lengths = unless_full(batch.lengths, batch.inputs.shape[1])
        call = self._call(batch, lengths)
        assert call is not None
        output = call.forward(batch.inputs, lengths).detach().requires_grad_()
        predicted = self._predicted(output, lengths)
        means = mean_losses(module.task, predicted, batch.targets, batch.loss_weights, batch.divisors)
        arriving, *of_readout = torch.autograd.grad(means.sum(), (output, *self.readout))
        call.backward(arriving.contiguous())
        for name, weight in self.learned.items():
            weight.grad = call.gradients[name]
        for weight, gradient in zip(self.readout, of_readout, strict=True):
            weight.grad = gradient
        module.stack_optimizer.step()
        module.taken_with(means.detach())

    def _predicted(self, output: Tensor, lengths: Tensor | None) -> Tensor:
        network, (weight, bias) = self.module.template, self.readout
        last = network.predicts == "last"
        rows = network.last(output, lengths) if last else output.flatten(-3, -2)
        found = product(rows, weight.mT, bias[..., None, :])
        return found if last else found.unflatten(-2, output.shape[-3:-1])

    def _call(self, batch: StackBatch, lengths: Tensor | None) -> StandingCall | None:
        full = lengths is None
        if full not in self._calls:
            self._calls[full] = self._made(batch, lengths)
        return self._calls[full]

    def _made(self, batch: StackBatch, lengths: Tensor | None) -> StandingCall | None:
        inputs, layer, program = batch.inputs, self.layer, self.layer.program
        assert program is not None
        shape = (inputs.shape[0], inputs.shape[2])
        states = {state: inputs.new_zeros(*shape, size) for state, size in layer.state_sizes().items()}
        weights = {name: weight.detach() for name, weight in self.learned.items()}
        call = Call(program, weights, inputs, states, layer.hidden_size, lengths)
        if choose(layer.path, call).path != "native":
            return None
        return standing(call)


def direct_step(module: StackModule, data: StackData) -> DirectStep | str:
    """Return what takes the steps of a stack without Lightning, or why Lightning takes them."""
    if reason := _refusal(module):
        return reason
    if not module.active or module.taken >= module.configurations[0].training.max_steps:
        return "no step is left"
    step = DirectStep(module)
    return step if step.ready(data.batch(module.taken)) else "no compiled code reads its weights where they lie"


def _refusal(module: StackModule) -> str | None:
    network, variant = module.template, module.template.rnn.variant
    if module.device.type != "cpu":
        return f"it is on {module.device.type}"
    if len(network.rnn.layers) > 1:
        return "more than one layer or direction"
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
    if any(configuration.training.weight_noise for configuration in module.configurations):
        return "noise on the weights"
    return None
