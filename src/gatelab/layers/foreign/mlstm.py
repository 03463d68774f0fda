"""The mLSTM of Beck et al. 2024 ("xLSTM: Extended Long Short-Term Memory", arXiv 2405.04517), equations 19 to 27."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from gatelab.language.foreign import head_count
from gatelab.layers.foreign.foreign_layer import ForeignLayer

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
        heads = head_count(self.hidden_size)
        size = self.hidden_size // heads

        def product(name: str) -> Tensor:
            return functional.linear(x, weights[f"{name}_weight_x"])

        q, k, v = (product(name) for name in "qkv")
        q = (q + weights["q_bias"]).unflatten(-1, (heads, size))
        k = (k / math.sqrt(size) + weights["k_bias"]).unflatten(-1, (heads, size))
        v = (v + weights["v_bias"]).unflatten(-1, (heads, size))
        o = torch.sigmoid(product("o") + weights["o_bias"])
        i_log = product("i") + weights["i_bias"]
        kept = functional.logsigmoid(product("f") + weights["f_bias"]) + states["m"]
        m = torch.maximum(kept, i_log)
        i, f = torch.exp(i_log - m), torch.exp(kept - m)

        memory = states["C"].unflatten(-1, (heads, size, size))
        written = (i.unsqueeze(-1) * v).unsqueeze(-1) * k.unsqueeze(-2)
        memory = f[..., None, None] * memory + written
        n = f.unsqueeze(-1) * states["n"].unflatten(-1, (heads, size)) + i.unsqueeze(-1) * k
        read = (memory @ q.unsqueeze(-1)).squeeze(-1)
        weight = (n * q).sum(-1)

        # read / max(abs(weight), exp(-m)), multiplied by exp(m) above and below where m < 0: exp(-m) would overflow.
        # Where it would vanish it is replaced by the smallest normal number, so that nothing is divided by 0.
        shrunk = torch.exp(m.clamp(max=0))
        least = torch.exp(-m.clamp(0, -math.log(torch.finfo(m.dtype).tiny)))
        divisor = torch.maximum(weight.abs() * shrunk, least)
        output = o * (read * (shrunk / divisor).unsqueeze(-1)).flatten(-2)
        return output, {"C": memory.flatten(-3), "n": n.flatten(-2), "m": m}, {"i": i, "f": f, "o": o}
