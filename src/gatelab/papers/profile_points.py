"""The points of a profile, composed without training anything: which runs it asks for."""

import itertools
from collections.abc import Sequence
from contextlib import nullcontext

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode

from gatelab.configuration import Points, Reading, RunConfiguration, translated, using
from gatelab.configuration.hydra_loader import CONFIG, hydra_loader
from gatelab.configuration.quick import QuickComposition, runs_of
from gatelab.configuration.sweep_size import check_size
from gatelab.uncollected import uncollected

__all__ = ["grid"]

_GRID = "BasicSweeper"  # Hydra's own; a sweeper that searches asks for points that nobody knows beforehand


def grid(option: str, overrides: Sequence[str] = ()) -> list[RunConfiguration] | None:
    """Return the runs of an experiment's sweep, in its order; None if it is a search.

    Args:
        option: what ``+experiment=`` is given.
        overrides: further ones, which win over those of the file, as on the command line.

    Raises:
        UserError: a key or a value that is not allowed.
    """
    words = [f"+experiment={option}", *overrides]
    with using(), translated(words), hydra_loader() as loader, uncollected():
        master = loader.load_configuration(CONFIG, [*words, "hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
        sweeper = master.hydra.sweeper
        if not str(sweeper._target_).endswith(_GRID):
            return None
        params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        composition, points = QuickComposition(loader, master), Points()
        for one in _points([*params, *words]):
            if not composition.append_again(points, one):
                composition.append(points, one)
        return runs_of(points, Reading(), enumerate(points.places), lambda _: nullcontext())


def _points(words: list[str]) -> list[tuple[str, ...]]:
    """Return all combinations of the values of the words; of two words with the same key the later one counts."""
    values: dict[str, list[str]] = {}
    parsed = _parsed(words)
    check_size(parsed)
    for override in parsed:
        key = override.get_key_element()
        if override.is_sweep_override():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            values[key] = [f"{key}={override.get_value_element_as_str()}"]
    return list(itertools.product(*values.values()))


def _parsed(words: list[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(words)
