"""How many threads compiled code may take: PyTorch's number, and one in a child that was forked from a team.

GNU's OpenMP keeps its team for the next call. A forked child has no such threads, and would wait for them for ever.
Results do not depend on their number, so that a child (a DataLoader's worker, say) goes on alone.
"""

import os

import torch

__all__ = ["allowed_threads"]

_had_a_team = False
_alone = False


def allowed_threads() -> int:
    """Return the number of threads that the next call of compiled code may take."""
    global _had_a_team
    count = 1 if _alone else torch.get_num_threads()
    _had_a_team = _had_a_team or count > 1
    return count


def _in_child() -> None:
    global _alone
    _alone = _had_a_team


os.register_at_fork(after_in_child=_in_child)
