#!/usr/bin/env bash
# flax 0.12.8: the docstring of flax.nnx.GRUCell gives the candidate as n = tanh(W_in x + b_in + r (W_hn h + b_hn)); the
# cell has no b_hn, and computes n = tanh(W_in x + b_in + r W_hn h). flax.linen.GRUCell, of the same docstring, has b_hn.
# A GRU of linen or of torch, whose b_hn is not zero, has no counterpart among the cells of nnx. Seen in November 2026:
#
#   biases of 4 units: nnx 12, linen 16; nnx differs from the equation without b_hn by 6e-08
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -q --disable-pip-version-check flax==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6

JAX_PLATFORMS=cpu "$place/venv/bin/python" - <<'PYTHON'
import re

import flax
import jax
import numpy as np
from flax import linen, nnx

INPUT, HIDDEN = 3, 4
documented = {cell: "b_{hn}" in re.sub(r"\s", "", cell.__doc__) for cell in (nnx.GRUCell, linen.GRUCell)}
assert all(documented.values()), "the documentation has changed"

cell = nnx.GRUCell(INPUT, HIDDEN, bias_init=nnx.initializers.normal(1.0), rngs=nnx.Rngs(0))
of_nnx = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(nnx.state(cell, nnx.Param)))
          if "bias" in str(path)]
random = np.random.default_rng(0)
x, h = (random.standard_normal((2, size)).astype(np.float32) for size in (INPUT, HIDDEN))
of_linen = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(
    linen.GRUCell(HIDDEN).init(jax.random.key(0), h, x)) if "bias" in str(path)]
counts = [sum(leaf.size for leaf in leaves) for leaves in (of_nnx, of_linen)]

W, b, R = (np.asarray(each[...]) for each in (cell.dense_i.kernel, cell.dense_i.bias, cell.dense_h.kernel))
of_x, of_h = np.split(x @ W + b, 3, -1), np.split(h @ R, 3, -1)
r, z = (1 / (1 + np.exp(-(one + two))) for one, two in list(zip(of_x, of_h))[:2])
expected = (1 - z) * np.tanh(of_x[2] + r * of_h[2]) + z * h
difference = float(np.abs(np.asarray(cell(h, x)[0]) - expected).max())
print(flax.__version__, f"biases of {HIDDEN} units: nnx {counts[0]}, linen {counts[1]};",
      f"nnx differs from the equation without b_hn by {difference:.0e}")
assert counts == [3 * HIDDEN, 4 * HIDDEN] and difference < 1e-6, "the behaviour has changed"
PYTHON
