"""The points of a profile, composed without training anything: which runs it asks for."""

import itertools
from collections.abc import Iterator, Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gatelab.configuration import Reading, RunConfiguration, ours, plain, translated, using
from gatelab.configuration.hydra_loader import CONFIG, hydra_loader
from gatelab.configuration.sweep_size import check_size

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
    with using(), translated(words), hydra_loader() as loader:
        single = [word.input_line or "" for word in _parsed(words) if not word.is_sweep_override()]
        sweeper = loader.load_configuration(CONFIG, single, RunMode.RUN).hydra.sweeper
        if not str(sweeper._target_).endswith(_GRID):
            return None
        params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        return list(_runs(loader, _points([*params, *words])))


def _runs(loader: ConfigLoader, points: Sequence[Sequence[str]]) -> Iterator[RunConfiguration]:
    known: dict[tuple[str, ...], DictConfig] = {}
    reading = Reading()
    for words in points:
        # seeds change no file that is read: the rest is composed once for all of them
        seeds = [word for word in words if word.startswith("seed=")]
        others = tuple(word for word in words if word not in seeds)
        if others not in known:
            known[others] = ours(loader.load_configuration(CONFIG, list(others), RunMode.RUN))
        if seeds:
            OmegaConf.update(known[others], "seed", int(seeds[-1].removeprefix("seed=")))
        # only now: what is drawn at random follows from the seed
        yield reading.run(plain(known[others]), with_torch=False)


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
