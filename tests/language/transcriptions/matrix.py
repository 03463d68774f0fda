"""Cells whose memory is a matrix, in NumPy, as their papers write them."""

import numpy as np

from tests.language.stepping import sigma

__all__ = ["TRANSCRIPTIONS"]


def mlstm(w, x, hidden):
    """Beck et al. 2024, equations 19 to 27, sequence by sequence and head by head, without their stabiliser m."""
    heads = 4 if hidden % 4 == 0 else 1
    d = hidden // heads
    outputs = np.zeros((*x.shape[:2], hidden))
    for b in range(x.shape[1]):
        for head in range(heads):
            rows = slice(head * d, head * d + d)
            C, n = np.zeros((d, d)), np.zeros(d)
            for t, x_t in enumerate(x[:, b]):
                q = w["q_weight_x"][rows] @ x_t + w["q_bias"][rows]
                k = 1 / np.sqrt(d) * w["k_weight_x"][rows] @ x_t + w["k_bias"][rows]
                v = w["v_weight_x"][rows] @ x_t + w["v_bias"][rows]
                i = np.exp(w["i_weight_x"][head] @ x_t + w["i_bias"][head])
                f = sigma(w["f_weight_x"][head] @ x_t + w["f_bias"][head])
                o = sigma(w["o_weight_x"][rows] @ x_t + w["o_bias"][rows])
                C = f * C + i * np.outer(v, k)
                n = f * n + i * k
                outputs[t, b, rows] = o * (C @ q) / max(abs(n @ q), 1)
    return outputs


TRANSCRIPTIONS = {"mlstm": mlstm}
