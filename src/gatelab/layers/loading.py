"""gatelab.load: the RNN or the network in a gate's file."""

from pathlib import Path

from gatelab.layers.gate_files.hub import pretrained_file
from gatelab.layers.gate_files.reading_gates import read_gate
from gatelab.layers.network import Network
from gatelab.layers.rnn import RNN

__all__ = ["load"]


def load(file: str | Path) -> RNN | Network:
    """Return what a file holds: an :class:`RNN`, or the :class:`Network` of a run.

        >>> rnn = gatelab.RNN(gatelab.variant("lstm").edit(i="1 - f"), 10, 64)
        >>> rnn.save("coupled.safetensors")
        >>> again = gatelab.load("coupled.safetensors")
        >>> again.variant == rnn.variant, torch.equal(again.layers[0].f_bias, rnn.layers[0].f_bias)
        (True, True)

    It is on the CPU, in evaluation mode (``train()`` brings back the dropout between layers), of the dtype that was
    saved, and runs on the fastest path of this machine. Files are data: nothing is imported, evaluated or unpickled.
    Header, equations, sizes, names, shapes and dtypes are checked before a tensor is read.

    Args:
        file: that ``save`` wrote, or one fetched from a hub; or a folder with one such file.

    Raises:
        UserError: in one line, for a file that is absent, damaged, of another kind or of a newer gatelab.
    """
    path = Path(file)
    content = read_gate(pretrained_file(path) if path.is_dir() else path)
    return RNN.from_content(content) if content.network is None else Network.from_content(content)
