#!/usr/bin/env bash
# torch 2.13.0, CPU: torch.autocast treats its own recurrent layers differently. With dtype=torch.bfloat16 nn.LSTM and
# nn.RNN return bfloat16, nn.GRU and both cells return float32. A comparison of LSTM and GRU under autocast therefore
# compares two precisions, and nothing says so. Seen in November 2026:
#
#   LSTM bfloat16, RNN bfloat16, GRU float32, LSTMCell float32, GRUCell float32
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$place/venv/bin/python" - <<'PYTHON'
import torch

torch.set_num_threads(1)
x = torch.randn(5, 2, 3)  # (time, batch, input)
seen = {}
for kind in (torch.nn.LSTM, torch.nn.RNN, torch.nn.GRU, torch.nn.LSTMCell, torch.nn.GRUCell):
    layer = kind(3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(x[0] if kind.__name__.endswith("Cell") else x)
    output = output[0] if isinstance(output, tuple) else output
    seen[kind.__name__] = str(output.dtype).removeprefix("torch.")
print(torch.__version__, seen)
assert seen == {
    "LSTM": "bfloat16", "RNN": "bfloat16", "GRU": "float32", "LSTMCell": "float32", "GRUCell": "float32",
}, "the behaviour has changed"
PYTHON
