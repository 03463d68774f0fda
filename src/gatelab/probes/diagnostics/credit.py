r"""Gate by gate credit: how much of a gradient each path through the steps carries.

A *route* from x_{T-k} to the loss goes through k + 1 steps: it enters at step T-k and takes one path of
:mod:`gatelab.compiler.linearised` in each step up to T; a route from s_{T-k} goes through the k steps after it. The
gradient is the sum over all routes r of their weights w_r, products of derivatives (the chain rule). A route of n steps
that takes path p in n_p of them is credited to p in that proportion:

$$C_p = \sum_r \frac{n_p(r)}{n(r)} w_r, \qquad \sum_p C_p = \frac{\partial L}{\partial x_{T-k}}.$$

It is what Euler's theorem says: multiply the derivatives of path p by α_p in every step; the gradient G(α) is
homogeneous of degree n, so that G = Σ_p C_p with $C_p = \frac{1}{n} \frac{\partial G}{\partial \alpha_p}$ at α = 1. So
n C_p is how the gradient would change if path p were made stronger, and C_p is also the Aumann–Shapley value of the
path: no order among the paths is chosen, and nothing is left over.

The sums over routes are never written out. With J the derivative of a step, J_p its part along p, and λ the gradient
with respect to the states, one recursion back in time does it, and C_p = μ_p / k for ∂L/∂s_{T-k}:

$$\lambda_{t-1} = J^\top \lambda_t, \qquad \mu^p_{t-1} = J^\top \mu^p_t + J_p^\top \lambda_t.$$

A loss may be reached from several steps: it has a term at each of them, or a layer above reads them all. A route then
leaves at one of these steps, and n counts its steps up to there; every step of leaving has its own λ and μ^p.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.compiler.gate_algebra import in_order
from gatelab.compiler.linearised import KEPT, PathName, edges, followed, gate_names
from gatelab.errors import UserError
from gatelab.layers.beside import joined, seen_above
from gatelab.layers.network import Network
from gatelab.layers.rnn_inputs import backwards
from gatelab.probes.linear_steps import LinearSteps
from gatelab.probes.trace import Model, Trace, shown, trace
from gatelab.tasks import Batch, Task

__all__ = ["Credit", "credit"]

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Credit:
    """What each path carries of the gradient of a loss, T being the last valid step of each sequence.

    Attributes:
        paths: kept, candidates and gates: ``kept``, ``through the candidate z``, ``through the gate f``.
        lags: (lags,) k, in steps, from 0.
        inputs: (paths, lags, batch, features), credit for ∂loss/∂x_{T-k}; the sum over paths is the gradient. In the
            unit of the loss divided by that of x. Zero beyond the start of a sequence.
        states: state -> (paths, lags, batch, size), credit for ∂loss/∂s_{T-k}, likewise, of what goes through later
            steps; so zero at k = 0, where no step lies between.
    """

    paths: tuple[PathName, ...]
    lags: NDArray[np.int64]
    inputs: NDArray[np.floating[Any]]
    states: Mapping[str, NDArray[np.floating[Any]]]

    def shares(self) -> NDArray[np.floating[Any]]:
        """Return (paths, lags), the share of each path in the gradient with respect to x_{T-k}.

        Of the component along the gradient itself, over all sequences and features: shares sum to 1, and a path that
        works against the others has one below 0. NaN where the gradient is 0.
        """
        whole = self.inputs.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares: NDArray[np.floating[Any]] = (self.inputs * whole).sum((2, 3)) / (whole**2).sum((1, 2))
        return shares


def credit(
    model: Model,
    batch: Any,
    loss: Loss | None = None,
    lags: int = 100,
    layer: int | None = None,
    task: Task | None = None,
) -> Credit:
    """Return how much of a gradient each path carries, on data.

        >>> from gatelab.probes import credit
        >>> found = credit(gatelab.RNN("lstm", 3, 8), torch.randn(20, 4, 3))
        >>> [str(path) for path in found.paths[:3]]
        ['kept', 'through the candidate z', 'through the gate i']
        >>> found.inputs.shape
        (5, 20, 4, 3)
        >>> bool(abs(found.shares().sum(0) - 1).max() < 1e-4)
        True

    x is what the layer reads; the gradient reaches it through the layers above. It costs a forward pass, and for each
    lag a backward step for each path; as many times more as there are steps from which the loss is reached: one for the
    last layer and a loss after the last step.

    Args:
        model: a network or an RNN.
        batch: as for all diagnostics: a batch of a task, or inputs.
        loss: function of the predictions after the last valid step, (batch, output) (of an RNN: its outputs, (batch,
            hidden)), that returns a loss of each sequence or their sum:
            ``lambda y: run.task.losses(y, torch.from_numpy(batch.targets))``. None for the sum of the predictions.
        lags: how many k at most.
        layer: counted from 0; None for the last.
        task: whose loss is followed instead, with its targets and weights at all steps: ``run.task``, and a batch of
            it. The loss of the batch is the sum of weight times loss.

    Raises:
        UserError: a model that is bidirectional, since what it puts out at T has read all of the sequence; a foreign
            variant; a batch that does not fit; a task and a loss, or a task without a network and a batch of it.
    """
    seen = shown(model, batch)
    rnn = seen.rnn
    if rnn.bidirectional:
        raise UserError("credit: not defined for a bidirectional model, whose outputs have read the whole sequence")
    if lags < 1:
        raise UserError(f"lags={lags}: must be at least 1")
    if task is not None and loss is not None:
        raise UserError("task and loss: one of them says which gradient is followed")
    if task is not None and not (isinstance(model, Network) and isinstance(batch, Batch)):
        raise UserError("task: its loss needs a gatelab.Network and a batch of the task")
    place = rnn.num_layers - 1 if layer is None else layer
    whole = trace(model, batch, "follow gradients through", layer=place)
    judged = loss if task is None else _of_task(task, batch)
    ending = whole.from_the_end(min(lags, int(whole.lengths.max())))
    arriving = _adjoints(model, whole, place, judged, seen.inputs, last=task is None)
    adjoints = backwards(arriving, whole.lengths)[: len(ending.inputs)]
    with torch.no_grad():
        return _credit(ending, adjoints)


def _of_task(task: Task, batch: Batch) -> Loss:
    """Return the loss of a batch as a function of the predictions, at all steps that have some."""
    targets, weights = torch.from_numpy(np.ascontiguousarray(batch.targets)), torch.from_numpy(batch.loss_weights)

    def loss(predictions: Tensor) -> Tensor:
        def asked(values: Tensor) -> Tensor:  # a target that does not count may be no number
            mask = (weights != 0).view(*weights.shape, *(1,) * (values.dim() - weights.dim()))
            return torch.where(mask, values, torch.zeros((), dtype=values.dtype))

        wanted = targets.to(predictions.dtype) if targets.is_floating_point() else targets
        return asked(task.losses(asked(predictions), asked(wanted)) * weights)

    return loss


def _adjoints(model: Model, whole: Trace, layer: int, loss: Loss | None, below: Tensor, *, last: bool) -> Tensor:
    """Return ∂loss/∂output of a layer at every step, (time, batch, hidden); the layers above hand it down.

    Args:
        below: what the first layer reads, which direct weights read too.
        last: whether the loss is of the predictions after the last valid step only.
    """
    rnn = model.rnn if isinstance(model, Network) else model
    valid, beside = whole.valid[..., None], whole.variant.beside
    with torch.enable_grad():
        outputs = torch.where(valid, whole.value(whole.variant.output), 0.0).detach().requires_grad_()
        top = outputs
        for above in rnn.layers[layer + 1 :]:
            top, _, _ = above(joined(top, seen_above(whole.aside, beside, top.shape[-1])), None, whole.lengths, ())
        if last or (isinstance(model, Network) and model.predicts == "last"):
            top, below = (backwards(values, whole.lengths)[0] for values in (top, below))
        if isinstance(model, Network):
            top = model.read_out(top.flatten(0, -2), below.flatten(0, -2)).unflatten(0, top.shape[:-1])
        value = top if loss is None else loss(top)
        (adjoints,) = torch.autograd.grad(value.sum(), outputs)
    return torch.where(valid, adjoints, 0.0)


def _credit(ending: Trace, adjoints: Tensor) -> Credit:
    """Return the credit of paths; everything is from the end, and adjoints are (lags, batch, hidden)."""
    variant, steps, paths, valid = ending.variant, LinearSteps(ending, gradients=True), _paths(ending), ending.valid
    count, batch = adjoints.shape[:2]
    leaving = adjoints.flatten(1).any(1).nonzero()[:, 0]
    leaving = leaving if len(leaving) else leaving.new_zeros(1)
    sizes = {name: ending.size(name) for name in variant.states} | {"x": ending.inputs.shape[-1]}
    credited = {name: ending.inputs.new_zeros(count, len(paths), batch, size) for name, size in sizes.items()}
    arrived: dict[str, Tensor] = {}
    marked: dict[str, Tensor] = {}
    for lag in range(count):
        by_path = steps.back_by_path(lag, _joined(arrived, variant.output, adjoints[lag], leaving == lag))
        whole = steps.back(lag, marked)
        # of the routes that leave at each step; those of a step before this one are all zero
        taken = (lag + 1 - leaving).clamp(min=1)[:, None, None]
        arrived, marked = {}, {}
        for name, size in sizes.items():
            none = adjoints.new_zeros(())
            each = [by_path.get(path, {}).get(name, none).expand(len(leaving), batch, size) for path in paths]
            parts = torch.where(valid[lag][:, None], torch.stack(each), 0.0)
            fresh = parts + torch.where(valid[lag][:, None], whole.get(name, none), 0.0)
            place = lag if name == "x" else lag + 1  # a step hands on to the state before it
            if place < count:
                inside = valid[place][:, None]
                credited[name][place] = torch.where(inside, (fresh / taken).sum(1), 0.0)
            if name != "x":
                arrived[name], marked[name] = parts.sum(0), fresh
    found = {name: value.transpose(0, 1).cpu().numpy() for name, value in credited.items()}
    return Credit(paths, np.arange(count), found.pop("x"), found)


def _joined(arrived: Mapping[str, Tensor], output: str, adjoint: Tensor, here: Tensor) -> dict[str, Tensor]:
    """Return what arrives at a step, (places, batch, size), and what the loss adds to the output there."""
    added = torch.where(here[:, None, None], adjoint, 0.0)
    return {**arrived, output: arrived[output] + added if output in arrived else added}


def _paths(ending: Trace) -> tuple[PathName, ...]:
    """Return all paths of a step, found without writing out its routes."""
    known, gated = edges(ending.variant), gate_names(ending.variant)
    reached: dict[str, set[PathName]] = {name: set() for name in known}
    found: set[PathName] = set()
    for target in {*ending.variant.states, ending.variant.output}:
        reached[target].add(KEPT)
    for equation in reversed(known):
        for edge in known[equation]:
            further = {followed(path, edge, gated) for path in reached[equation]}
            (reached[edge.source.name] if edge.source.when == "now" else found).update(further)
    return in_order(ending.variant, found)
