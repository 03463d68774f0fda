"""Networks from files of other programs, as gatelab.RNN: state_dicts of torch.

    found_in_torch(path)                every recurrent network of a .pt, .pth, .ckpt or .safetensors file
    chosen(found, layer, where)         the one of a name, or the only one

Each is a :class:`Found`. Files are data: no code of theirs runs.
"""

from gatelab.exchange.found import Found, chosen
from gatelab.exchange.torch_file import found_in_torch, from_torch_file

__all__ = ["Found", "chosen", "found_in_torch", "from_torch_file"]
