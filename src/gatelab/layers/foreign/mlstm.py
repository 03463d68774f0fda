"""The mLSTM of Beck et al. 2024 ("xLSTM: Extended Long Short-Term Memory", arXiv 2405.04517), equations 19 to 27."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gatelab.language.foreign import head_count
from gatelab.layers.foreign.compiled_mlstm import CompiledMemory, unavailable
from gatelab.layers.foreign.foreign_layer import ForeignLayer
from gatelab.layers.foreign.memory_steps import memory_step, stabilised_gates
from gatelab.paths.call import Outputs
from gatelab.paths.lengths import unless_full
from gatelab.paths.padding import filled, is_valid

__all__ = ["MLSTM"]


class MLSTM(ForeignLayer):
    """A memory C of one matrix for each head, in which a step writes a value under a key and reads with a query.

    4 heads if they divide the hidden size, otherwise 1; i and f are one number for each head and see only x. C holds
    the matrices row by row.

    The paper's C, n and i are stored times exp(-m), where m is the largest logarithm of the written values, decayed.
    The output is then the same if the 1 of max(abs(n q), 1) becomes exp(-m).
    """

    def step(
        self, weights: Mapping[str, Tensor], x: Tensor, states: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        q, k, v, i_log, f_log, o = self._projected(weights, x)
        read, memory, n, m = memory_step(q, k, v, i_log, f_log, states["C"], states["n"], states["m"])
        i, f = stabilised_gates(i_log, f_log, states["m"], m)
        return o * read, {"C": memory, "n": n, "m": m}, {"i": i, "f": f, "o": o}

    def no_compiled_steps(self, dtype: torch.dtype) -> str | None:
        return unavailable(dtype)

    def compiled_steps(
        self,
        weights: Mapping[str, Tensor],
        inputs: Tensor,
        states: Mapping[str, Tensor],
        lengths: Tensor | None,
        record: Sequence[str],
    ) -> Outputs:
        """Run all steps of one run: nothing but the memory goes from step to step.

        Where a sequence has ended it forgets nothing and writes nothing, log f = 0 and log i = -infinity.
        """
        lengths = unless_full(lengths, len(inputs))
        valid = None if lengths is None else is_valid(lengths, len(inputs))
        if lengths is not None:
            inputs = filled(inputs, lengths)
        q, k, v, i_log, f_log, o = self._projected(weights, inputs)
        if valid is not None:
            i_log, f_log = torch.where(valid, i_log, -math.inf), torch.where(valid, f_log, 0.0)
        start = states["m"]
        read, memory, n, m = CompiledMemory.apply(q, k, v, i_log, f_log, states["C"], states["n"], start)
        gates = {"o": o}
        if set(record) - {"o"}:
            before = torch.cat([start.unsqueeze(0), m[:-1]])
            gates["i"], gates["f"] = stabilised_gates(i_log, f_log, before, m)
        output, recorded = o * read, {name: gates[name] for name in record}
        if valid is not None:
            output = torch.where(valid, output, 0.0)
            recorded = {name: torch.where(valid, values, 0.0) for name, values in recorded.items()}
        return output, {"C": memory, "n": n, "m": m[-1]}, recorded

    def _projected(self, weights: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, ...]:
        """Return what the learned matrices make of x: q, k, v, log i, log f and the output gate."""

        def product(name: str) -> Tensor:
            return functional.linear(x, weights[f"{name}_weight_x"])

        size = self.hidden_size // head_count(self.hidden_size)
        return (
            product("q") + weights["q_bias"],
            product("k") / math.sqrt(size) + weights["k_bias"],
            product("v") + weights["v_bias"],
            product("i") + weights["i_bias"],
            functional.logsigmoid(product("f") + weights["f_bias"]),
            torch.sigmoid(product("o") + weights["o_bias"]),
        )
