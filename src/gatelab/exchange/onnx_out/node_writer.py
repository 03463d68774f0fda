"""A layer, in one or both directions, as one LSTM, GRU or RNN of ONNX."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.exchange.onnx_out.graph_writer import OnnxGraph
from gatelab.exchange.onnx_out.node_forms import ACTIVATIONS, NodeForm
from gatelab.exchange.onnx_out.pre_activations import Rows, arrays
from gatelab.layers.layer import RecurrentLayer
from gatelab.layers.structured_weights import whole_weights

__all__ = ["as_node"]


def as_node(
    graph: OnnxGraph,
    form: NodeForm,
    layers: Sequence[RecurrentLayer],
    x: str,
    states: Mapping[str, str] | None,
    lengths: str | None,
) -> tuple[str, dict[str, str]]:
    """Write one node into the graph of a model.

    Args:
        graph: of the model.
        form: of the variant.
        layers: forward and, if there is one, backward.
        x: (time, batch, input).
        states: state -> its value before the first step, (directions, batch, hidden); None for zeros.
        lengths: (batch,) of int64; None if all steps are valid.

    Returns:
        The outputs (time, batch, hidden × directions), and the states after the last step, (directions, batch, hidden).
    """
    rows = [_of_layer(form, layer) for layer in layers]
    constants = (
        np.stack([_joined(one, "w") for one in rows]),
        np.stack([_joined(one, "r") for one in rows]),
        np.stack([np.concatenate([_joined(one, "w_bias"), _joined(one, "r_bias")]) for one in rows]),
    )
    inputs = [x, *(graph.real_constant(value, "weight") for value in constants)]
    inputs.append("" if lengths is None else graph.op("Cast", lengths, to=6))  # int32, the only type that is allowed
    inputs += [states[name] for name in form.states] if states is not None else [""] * len(form.states)
    if form.peepholes:
        inputs.append(graph.real_constant(np.stack([_joined(one[:3], "peephole") for one in rows]), "peephole"))
    while not inputs[-1]:
        inputs.pop()
    y, *finals = graph.ops(form.operator, 1 + len(form.states), *inputs, **_attributes(form, layers))
    kept = dict(zip(form.states, finals, strict=True))
    if lengths is not None and states is not None:
        # engines give 0 after a sequence without a step
        empty = graph.apply("Unsqueeze(Equal(lengths, 0), [1])", lengths=lengths)
        kept = {name: graph.op("Where", empty, states[name], value) for name, value in kept.items()}
    beside = graph.op("Transpose", y, perm=[0, 2, 1, 3])
    return graph.op("Reshape", beside, graph.whole([0, 0, -1])), kept


def _of_layer(form: NodeForm, layer: RecurrentLayer) -> list[Rows]:
    """Return the blocks of a layer, in the order of the node."""
    whole = whole_weights(layer.variant, layer.learned())
    weights = {name: value.detach().cpu().numpy() for name, value in whole.items()}
    return [arrays(terms, weights, layer.input_size, layer.hidden_size) for terms in form.rows]


def _joined(rows: Sequence[Rows], name: str) -> NDArray[Any]:
    return np.concatenate([getattr(one, name) for one in rows])


def _attributes(form: NodeForm, layers: Sequence[RecurrentLayer]) -> dict[str, Any]:
    listed = [ACTIVATIONS[function] for function in form.activations] * len(layers)
    # each list has one number for every activation that takes one, and none for the others
    alphas, betas = ([one[place] for one in listed if one[place] is not None] for place in (1, 2))
    attributes: dict[str, Any] = {
        "hidden_size": layers[0].hidden_size,
        "direction": "forward" if len(layers) == 1 else "bidirectional",
        "activations": [one[0] for one in listed],
    }
    if alphas:
        attributes["activation_alpha"] = alphas
    if betas:
        attributes["activation_beta"] = betas
    if form.operator == "GRU":
        attributes["linear_before_reset"] = int(form.linear_before_reset)
    return attributes
