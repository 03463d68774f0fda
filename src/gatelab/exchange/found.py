"""A recurrent network that a file of another program holds, and the choice among several."""

from collections.abc import Sequence
from dataclasses import dataclass

from gatelab.errors import UserError, one_line, suggest
from gatelab.layers.rnn import RNN

__all__ = ["Found", "chosen"]


@dataclass(frozen=True)
class Found:
    """A recurrent network that was found in a file.

    Attributes:
        name: what the file calls it, such as ``encoder.lstm``; "" if it is the whole file.
        rnn: the same network in gatelab, with its weights, in evaluation mode.
        source: a sentence: what it was, and what the file does not say and was assumed.
        reverse: whether it reads sequences from their end, so that ``rnn`` must be given them reversed.
    """

    name: str
    rnn: RNN
    source: str
    reverse: bool = False


def chosen(found: Sequence[Found], layer: str | None, where: str) -> Found:
    """Return the network of a name, or the only one.

    Args:
        found: all networks of a file.
        layer: the name; None for the only one.
        where: the file, for errors.

    Raises:
        UserError: there is none, none of this name, or several and no name.
    """
    if not found:
        raise UserError(f"{where}: no recurrent layer in it")
    names = [one.name for one in found]
    if layer is None:
        if len(found) > 1:
            raise UserError(f"{where}: several recurrent networks: {_listed(names)}; choose one by layer=")
        return found[0]
    if layer not in names:
        raise UserError(f"{where}: no layer '{one_line(layer)}'{suggest(layer, names)}; there are {_listed(names)}")
    return found[names.index(layer)]


def _listed(names: Sequence[str]) -> str:
    shown = [name or "'' (the whole file)" for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
