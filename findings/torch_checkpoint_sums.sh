#!/usr/bin/env bash
# torch 2.13.0: a file of torch.save is a zip archive that holds a checksum of every tensor, and torch.load does not look
# at it. With one bit of one weight flipped, torch.load(weights_only=True) returns the damaged weight without a word
# (here 1.0 became infinite); Python's zipfile names the damaged member of the same file. Whoever keeps checkpoints for
# long needs a checksum of their own. Seen in November 2026.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$place/venv/bin/python" - <<'PYTHON'
import io
import zipfile

import torch

file = io.BytesIO()
torch.save({"weight": torch.ones(1000)}, file)
data = bytearray(file.getvalue())
first = data.find(torch.ones(10).numpy().tobytes())
assert first > 0
data[first + 4 * 500 + 3] ^= 0x40  # the highest bit of the exponent of weight 500

loaded = torch.load(io.BytesIO(bytes(data)), weights_only=True)["weight"]
named = zipfile.ZipFile(io.BytesIO(bytes(data))).testzip()
print(torch.__version__, "loaded:", loaded.unique().tolist(), "zipfile says:", named)
assert loaded.unique().tolist() == [1.0, float("inf")] and named == "archive/data/0", "the behaviour has changed"
PYTHON
