"""An experiment as a folder: experiments/<author_year>/<task>/ with experiment.yaml and what lies beside it.

    experiment.yaml   the protocol as published, a Hydra experiment: profile=paper
    quick.yaml        the same in minutes: profile=quick; any further .yaml is a further profile
    published.csv     the paper's numbers
    claims.yaml       its statements, and what counts as solved
    README.md         claim, command, cost, deviations
    results/<profile>/  what we measured

The name of an experiment is the path of its folder below experiments/.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gatelab.errors import UserError, suggest
from gatelab.locations import command_line, experiments_directory
from gatelab.papers.claims import PaperClaims
from gatelab.papers.published import COLUMNS, Published
from gatelab.reading import read_rows, read_yaml
from gatelab.validation import check

__all__ = ["CORRECTED", "PAPER", "Experiment", "experiment_names", "experiments_named", "load_experiment", "shown_file"]

_FILE = "experiment.yaml"
_NOT_PROFILES = (_FILE, "claims.yaml")
PAPER = "paper"
CORRECTED = "corrected"
"""A profile whose protocol is nearer to what the paper's authors ran than its own `paper` profile was."""
"""The profile of experiment.yaml itself."""
_QUICK = "quick"


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        name: such as ``weiss_2018/counting``.
        folder: where its files lie.
    """

    name: str
    folder: Path

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of its profiles, that of the paper first and the quick ones last."""
        files = {file.stem for file in self.folder.glob("*.yaml") if file.name not in _NOT_PROFILES}
        return (PAPER, *sorted(files, key=lambda name: (name.startswith(_QUICK), name)))

    def option(self, profile: str) -> str:
        """Return what ``+experiment=`` is given for a profile.

        Raises UserError for a profile that the experiment does not have.
        """
        if profile not in self.profiles:
            near, known = suggest(profile, self.profiles), ", ".join(self.profiles)
            raise UserError(f"profile={profile}: experiment '{self.name}' has no such profile{near}; it has {known}")
        return self.name if profile == PAPER else f"{self.name}/{profile}"

    @cached_property
    def published(self) -> tuple[Published, ...]:
        """The numbers of published.csv; none where all claims are questions of our own and there is no file.

        Raises UserError for a file that is absent or breaks the schema.
        """
        path = self.folder / "published.csv"
        if not path.exists() and all(claim.evidence == "X" for claim in self.claims.claims):
            return ()
        rows = read_rows(path, shown_file(path))
        numbers = []
        for line, row in enumerate(rows, start=2):
            where = f"{shown_file(path)}, line {line}"
            for column in row:
                if column not in COLUMNS:
                    raise UserError(f"{where}: unknown column '{column}'{suggest(str(column), COLUMNS)}")
            numbers.append(check(Published, {key: value for key, value in row.items() if value}, where))
        if not numbers:
            raise UserError(f"{shown_file(path)}: no numbers; at least one row is needed")
        return tuple(numbers)

    @cached_property
    def claims(self) -> PaperClaims:
        """The content of claims.yaml. Raises UserError for a file that is absent or breaks the schema."""
        path = self.folder / "claims.yaml"
        # ``on``, the argument of a check, is a word
        return check(PaperClaims, read_yaml(path, shown_file(path), words=True), shown_file(path))


def experiment_names() -> list[str]:
    """Return the names of all experiments, sorted."""
    root = experiments_directory()
    return sorted(file.parent.relative_to(root).as_posix() for file in root.rglob(_FILE))


def experiments_named(name: str) -> list[Experiment]:
    """Return the experiment of a name (or ``weiss_2018_counting``), those of a paper (``weiss_2018``) or ``all``.

    Raises UserError for an unknown name.
    """
    known = experiment_names()
    found = [each for each in known if name in ("all", each, each.replace("/", "_")) or each.startswith(f"{name}/")]
    if not found:
        papers = {each.split("/")[0] for each in known}
        raise UserError(
            f"unknown experiment '{name}'{suggest(name, [*known, *papers])}; allowed: all, and the {len(known)} that "
            f"`{command_line('reproduce')}` lists"
        )
    return [load_experiment(each) for each in found]


def load_experiment(name: str) -> Experiment:
    """Return the experiment of exactly this name; its files are read when they are asked for."""
    return Experiment(name, experiments_directory() / name)


def shown_file(path: Path) -> str:
    """Return what errors call a file of an experiment."""
    root = experiments_directory()
    return f"experiments/{path.relative_to(root).as_posix()}" if path.is_relative_to(root) else str(path)
