#!/usr/bin/env bash
# torch 2.13.0: torch.export (strict=False, its default) takes a dynamic batch where a module multiplies sizes, and
# refuses the same module where it asks torch.Size for the product: x.shape[:2].numel() fixes the batch at the size of
# the example. With strict=True both are exported. Flattening (time, batch) before a readout is how recurrent networks
# meet it. Seen in November 2026.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$place/venv/bin/python" - <<'PYTHON'
import logging

import torch

logging.disable(logging.CRITICAL)


class Numel(torch.nn.Module):
    def forward(self, x):  # (time, batch, features)
        return x.reshape(x.shape[:2].numel(), -1).sum(-1)


class Product(torch.nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0] * x.shape[1], -1).sum(-1)


def outcome(module, strict):
    shapes = ({1: torch.export.Dim("batch")},)
    try:
        program = torch.export.export(module, (torch.randn(4, 2, 3),), dynamic_shapes=shapes, strict=strict)
    except torch._dynamo.exc.UserError as error:
        return str(error).split("!")[0]
    return tuple(program.module()(torch.randn(4, 7, 3)).shape)


seen = {(type(m).__name__, strict): outcome(m, strict) for m in (Numel(), Product()) for strict in (False, True)}
print(torch.__version__, seen)
assert seen == {
    ("Numel", False): "Constraints violated (batch)", ("Numel", True): (28,),
    ("Product", False): (28,), ("Product", True): (28,),
}, "the behaviour has changed"
PYTHON
