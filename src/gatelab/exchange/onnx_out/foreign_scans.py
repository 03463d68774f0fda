"""The steps of foreign variants in ONNX's operators."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gatelab.exchange.onnx_out.graph_writer import OnnxGraph
from gatelab.exchange.onnx_out.scan_writer import EquationSteps, ScanSteps
from gatelab.language.foreign import head_count
from gatelab.layers.layer import RecurrentLayer

__all__ = ["FOREIGN_STEPS", "steps_of"]


class MLSTMSteps(ScanSteps):
    """The step of :class:`gatelab.layers.foreign.mlstm.MLSTM`, line by line.

    The products of x are computed for the whole sequence first.
    """

    def __init__(self, graph: OnnxGraph, layer: RecurrentLayer, x: str) -> None:
        self._heads = head_count(layer.hidden_size)
        self._size = layer.hidden_size // self._heads
        learned = {name: tensor.detach().cpu().numpy() for name, tensor in layer.learned().items()}

        def projected(name: str, scale: float = 1.0) -> str:
            product = graph.op("MatMul", x, graph.real_constant(learned[f"{name}_weight_x"].T * scale, "weight"))
            return graph.op("Add", product, graph.real_constant(learned[f"{name}_bias"], "bias"))

        scales = {"k": 1 / math.sqrt(self._size)}
        self.sequences = [projected(name, scales.get(name, 1.0)) for name in "qkvoif"]

    def step(self, body: OnnxGraph, now: Sequence[str], states: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        heads, size = self._heads, self._size

        def shaped(value: str, *shape: int) -> str:
            return body.op("Reshape", value, body.whole([0, *shape]))

        def formula(text: str, **more: str) -> str:
            known.update(more)
            return body.apply(text, **known)

        known = dict(zip("qkvoif", now, strict=True))
        known["q"] = shaped(known["q"], heads, size, 1)
        known["k"] = shaped(known["k"], heads, 1, size)
        known["v"] = shaped(known["v"], heads, size, 1)
        known["kept"] = formula("Sub(m, Softplus(Neg(f)))", m=states["m"])
        known["m"] = formula("Max(kept, i)")
        known["i"] = shaped(formula("Exp(Sub(i, m))"), heads, 1, 1)
        known["f"] = shaped(formula("Exp(Sub(kept, m))"), heads, 1, 1)
        known["C"] = formula("Add(Mul(f, C), Mul(Mul(i, v), k))", C=shaped(states["C"], heads, size, size))
        known["n"] = formula("Add(Mul(f, n), Mul(i, k))", n=shaped(states["n"], heads, 1, size))
        known["read"] = formula("MatMul(C, q)")
        known["weight"] = formula("Abs(MatMul(n, q))")
        # both sides of the quotient are multiplied by exp(m) where m < 0, and nothing is divided by 0
        last = body.real_constant(-math.log(np.finfo(body.dtype).tiny))
        known["m_4"] = shaped(known["m"], heads, 1, 1)
        known["shrunk"] = formula("Exp(Min(m_4, 0.0))")
        known["least"] = formula("Exp(Neg(Min(Max(m_4, 0.0), last)))", last=last)
        share = formula("Mul(read, Div(shrunk, Max(Mul(weight, shrunk), least)))")
        output = formula("Mul(Sigmoid(o), share)", share=shaped(share, heads * size))
        return output, {
            "C": shaped(known["C"], heads * size * size),
            "n": shaped(known["n"], heads * size),
            "m": known["m"],
        }


FOREIGN_STEPS: dict[str, type[MLSTMSteps]] = {"mlstm": MLSTMSteps}
"""The steps of every foreign variant, by the name in its file."""


def steps_of(graph: OnnxGraph, layer: RecurrentLayer, x: str) -> ScanSteps:
    """Return the steps of a layer; the arguments are those of :class:`EquationSteps`."""
    kind = EquationSteps if layer.variant.foreign is None else FOREIGN_STEPS[layer.variant.foreign]
    return kind(graph, layer, x)
