"""The names of variants and openings, and loading a variant."""

from pathlib import Path

from gatelab.language import Variant, load_variant, variant_files
from gatelab.locations import conf_directory
from gatelab.outside import entry_point_names

__all__ = ["openings", "variant", "variants"]


def variant(name: str | Path | Variant) -> Variant:
    """Return a variant, to read, edit, train or run it.

        >>> coupled = gatelab.variant("peephole").edit(i="1 - f")
        >>> coupled.equations["i"]
        '1 - f'
        >>> gatelab.variant("cfig")
        Traceback (most recent call last):
        gatelab.errors.UserError: unknown variant 'cfig' (did you mean 'cifg'?); ...

    Args:
        name: of a file of conf/variant/ (``"cifg"``), the path of your own file, ending in ``.yaml``, or a
            :class:`Variant`, which is returned unchanged.

    Raises:
        UserError: there is no such variant, or its file is wrong.
    """
    return name if isinstance(name, Variant) else load_variant(str(name))


def variants() -> tuple[str, ...]:
    """Return the names of all variants, in alphabetical order.

    >>> {"lstm", "gru", "peephole"} <= set(gatelab.variants())
    True
    """
    return tuple(variant_files())


def openings() -> tuple[str, ...]:
    """Return the names of all openings (where gates start), in alphabetical order; those of entry points too.

    >>> gatelab.openings()
    ('chrono', 'default', 'given', 'one', 'uniform', 'zero')
    """
    files = (conf_directory() / "opening").glob("*.yaml")
    return tuple(sorted({*(file.stem for file in files), *entry_point_names("opening")}))
