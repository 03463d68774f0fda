"""Values that the runs of a sweep have in common, as keys of a cache: by the object and not by its content."""

from typing import Any

__all__ = ["Same"]


class Same:
    """Equals another for the very same value, which it keeps alive.

    The sections of a configuration are frozen and made once for all the runs that have them, so that what follows from
    one need not be found for each run; comparing their contents would take longer than finding it.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value
