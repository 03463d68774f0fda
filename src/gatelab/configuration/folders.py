"""The folders that a user adds to conf/ during a command or a composition: their options, read once."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hydra.core.override_parser.types import Glob

from gatelab.configuration.experiment_files import others, read_experiment, sweeps
from gatelab.configuration.interpolations import texts
from gatelab.configuration.option_files import read_option
from gatelab.configuration.outside_options import PARENTS, is_outside, outside_option
from gatelab.configuration.overrides import GLOBAL, groups, parsed_words
from gatelab.errors import UserError, one_line, suggest
from gatelab.language import Variant
from gatelab.language.library import shown_file, variant_files
from gatelab.locations import conf_directory, experiments_directory
from gatelab.outside import entry_point_names
from gatelab.reading import read_bytes

__all__ = ["Folders", "added_folders", "check_swept_experiments", "using"]

_EXPERIMENT = "experiment"
_FILE = "experiment.yaml"
_MOST_OTHERS = 100
"""Most experiments on which one may build, repeats counted: Hydra reads them all, recursively."""


class Folders:
    """The variants of conf/, experiments/, and the files of a user's folders.

    Files are listed on first use and read when first chosen: a sweep of many points reads each of them once.

    Args:
        directories: of the user; each may have a folder for each group.
        variants: name -> variant, for variants without a file.

    Attributes:
        experiments: the path of experiments/.
    """

    def __init__(
        self, directories: Iterable[Path | str] = (), variants: Mapping[str, Variant] = MappingProxyType({})
    ) -> None:
        self.directories = tuple(map(Path, directories))
        self.variants = variants
        self.experiments = experiments_directory()
        self._options: dict[tuple[str, Path], dict[str, Path]] = {}
        self._read: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        self._counts: dict[Path, int] = {}  # experiment -> how many it builds on

    def options(self, group: str) -> dict[str, Path]:
        """Return name -> file of a group: all variants, all experiments, or the user's files of another group.

        Raises:
            UserError: a file of the user has the name of a file of conf/, and would replace it.
        """
        key = group, self.experiments
        if key not in self._options:
            self._options[key] = self._found(group)
        return self._options[key]

    def option(self, group: str, name: str) -> tuple[str, dict[str, Any]] | None:
        """Return the place of an option and the content of its file, checked; None if there is none of the name.

        Raises:
            UserError: as :func:`gatelab.configuration.option_files.read_option`.
        """
        if group == "variant" and name in self.variants:
            return group, self.variants[name].mapping()
        found = self._content(group, name)
        if found is not None and group == _EXPERIMENT:
            self._count_others(name, ())
        return found

    def _content(self, group: str, name: str) -> tuple[str, dict[str, Any]] | None:
        """Do the same as :meth:`option`; for an experiment, without checking those on which it builds."""
        file = self.file(group, name)
        if file is None:
            found = outside_option(group, name)
            return None if found is None else (group, found)
        if (group, name) not in self._read:
            where = shown_file(file)
            for directory in self.directories:
                inside = os.path.realpath(directory)
                if file.is_relative_to(directory) and not Path(os.path.realpath(file)).is_relative_to(inside):
                    raise UserError(f"{where}: leads out of the folder {one_line(directory)}; must be a file in it")
            if group == _EXPERIMENT:
                self._read[group, name] = GLOBAL, read_experiment(file, where)
            else:
                self._read[group, name] = read_option(group, file.stem, file, where)
        return self._read[group, name]

    def _count_others(self, name: str, above: tuple[Path, ...]) -> int:
        """Return on how many experiments one builds; ``above`` are those that build on it.

        Raises:
            UserError: it builds on itself, directly or indirectly, or on too many.
        """
        file, found = self.file(_EXPERIMENT, name), self._content(_EXPERIMENT, name)
        if file is None or found is None:
            return 0  # Hydra reports a missing one
        if file in above:
            raise UserError(f"{shown_file(file)}: the experiment builds on itself; must build only on others")
        if file not in self._counts:
            below = (*above, file)
            each = (1 + self._count_others(other, below) for other in others(found[1]))
            count = sum(each) if len(above) <= _MOST_OTHERS else _MOST_OTHERS + 1
            if count > _MOST_OTHERS:
                where = shown_file(below[0])
                raise UserError(f"{where}: made from more than {_MOST_OTHERS} experiments; must be made from fewer")
            self._counts[file] = count
        return self._counts[file]

    def has(self, group: str, name: str) -> bool:
        """Say whether there is an option of a name."""
        if group == "variant" and name in self.variants:
            return True
        return self.file(group, name) is not None or is_outside(group, name)

    def names(self, group: str) -> list[str]:
        """Return the names of all options that the user adds to a group, installed entry points too."""
        return sorted({*self.options(group), *(entry_point_names(group) if group in PARENTS else ())})

    def file(self, group: str, name: str) -> Path | None:
        """Return the file of an option, None if there is none."""
        options = self.options(group)
        if name in options or group not in ("variant", _EXPERIMENT):
            return options.get(name)
        if group == _EXPERIMENT:
            return {option.replace("/", "_", 1): file for option, file in options.items()}.get(name)
        # ``variant=folder/mine``
        paths = (
            (directory / group / f"{name}.yaml", file) for directory in self.directories for file in options.values()
        )
        return next((file for path, file in paths if path == file), None)

    def sweeping(self, experiments: Iterable[str]) -> str | None:
        """Return the first experiment that has a sweep, itself or in one on which it builds."""
        for experiment in experiments:
            seen: set[str] = set()
            waiting = [experiment]
            while waiting:
                name = waiting.pop()
                found = None if name in seen else self.option(_EXPERIMENT, name)
                seen.add(name)
                if found is not None:
                    if sweeps(found[1]):
                        return experiment
                    waiting += others(found[1])
        return None

    def replaced(self) -> Iterator[str]:
        """Yield a line for each variant of conf/ that one of the user replaces."""
        ours = variant_files() if self.directories else {}
        for name, file in self.options("variant").items() if ours else ():
            if name in ours and read_bytes(ours[name]) != read_bytes(file):
                yield f"variant={name} is that of {shown_file(file)}, in place of {shown_file(ours[name])}"

    def unread(self) -> Iterator[str]:
        """Yield a line for each entry of a user's folder that looks like a part of conf/ and is not used."""
        known = [*groups(), "hydra", "train.yaml", "config.yaml"]
        for directory in self.directories:
            for path in sorted(directory.iterdir()):
                meant = path.name in known or suggest(path.name, groups())
                if path.name in groups() or not meant or (path.is_dir() and not any(path.rglob("*.yaml"))):
                    continue
                if path.is_dir() or path.name in known:
                    yield f"{one_line(path)} is not looked at; a folder of one's own may have {', '.join(groups())}"

    def _found(self, group: str) -> dict[str, Path]:
        if group == "variant":
            return variant_files(self.directories)
        found = _experiments(self.experiments) if group == _EXPERIMENT else {}
        in_conf = {_name(file, conf_directory() / group): file for file in (conf_directory() / group).rglob("*.yaml")}
        for directory in self.directories:
            folder = directory / group
            for file in sorted(folder.rglob("*.yaml")):
                name = _name(file, folder)
                known = found.get(name) or in_conf.get(name)
                if known is None:
                    found[name] = file
                elif read_bytes(known) != read_bytes(file):
                    raise UserError(
                        f"{shown_file(file)}: there is a {group} '{one_line(name)}' already, {shown_file(known)}; "
                        "the file needs another name"
                    )
        return found


_FOLDERS: ContextVar[Folders | None] = ContextVar("folders", default=None)


@contextmanager
def using(
    directories: Iterable[Path | str] = (), variants: Mapping[str, Variant] = MappingProxyType({})
) -> Iterator[Folders]:
    """Let Hydra find the files of some folders, and some variants without a file, during the context."""
    folders = Folders(directories, variants)
    if folders.directories:  # names of conf/ are refused even if the file is not used
        for group in groups():
            folders.options(group)
    token = _FOLDERS.set(folders)
    try:
        yield folders
    finally:
        _FOLDERS.reset(token)


def added_folders() -> Folders:
    """Return the current folders; without a context there is no user's folder."""
    return _FOLDERS.get() or Folders()


def check_swept_experiments(words: Sequence[str], folders: Folders) -> None:
    """Raise a UserError for an experiment that has a sweep and is itself swept: its sweep would be ignored."""
    for override in parsed_words(words):
        if override.key_or_group != _EXPERIMENT or not override.is_sweep_override():
            continue
        value = override.value()
        names = value.filter(list(folders.options(_EXPERIMENT))) if isinstance(value, Glob) else list(texts(value))
        if found := folders.sweeping(names):
            raise UserError(
                f"{one_line(override.input_line)}: experiment '{one_line(found)}' has its own sweep, which "
                "counts only if it is the only experiment of a command"
            )


def _experiments(root: Path) -> dict[str, Path]:
    """Return experiment, or experiment/profile -> file."""
    found = {}
    for file in root.rglob(_FILE):
        name = file.parent.relative_to(root).as_posix()
        found[name] = file
        profiles = [each for each in file.parent.glob("*.yaml") if each.name not in (_FILE, "claims.yaml")]
        found |= {f"{name}/{profile.stem}": profile for profile in profiles}
    return found


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()
