"""A run's configuration: every key checked, every default filled in, and its identity."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self, TypeVar, get_args, get_type_hints

from pydantic import BaseModel

from gatelab.configuration.conflicts import LOOKED_AT, check_noise, check_possible, check_together
from gatelab.configuration.logger_checks import logger_section
from gatelab.configuration.matched_width import embedding_size, matched
from gatelab.configuration.optimizer_arguments import check_optimizer
from gatelab.configuration.science_texts import BesideSeed, beside_seed, plain_section, science_of
from gatelab.configuration.shared_values import Same
from gatelab.configuration.top_values import choice, text, whole
from gatelab.errors import UserError, one_line, suggest
from gatelab.keys import (
    KEYS,
    REQUIRED,
    SCIENCE,
    TOP,
    ModelSection,
    OptimizerSection,
    RunKeys,
    ScheduleSection,
    StackSection,
    TrainingSection,
    default_of,
    keys_of,
    without_neutral,
)
from gatelab.language import Variant, edited_variant, variant_files, variant_from_file
from gatelab.layers.openings import Opening, opening_from_mapping
from gatelab.paths import names
from gatelab.tasks import Task, task_from_mapping
from gatelab.validation import check

__all__ = ["MOST_SEED", "Reading", "RunConfiguration", "run_configuration", "variant_label"]

Section = TypeVar("Section", bound=BaseModel)
Made = TypeVar("Made")

MOST_SEED = 2**63 - 1
_SECTIONS = 4096  # that are kept
_VARIED: dict[str, type[BaseModel]] = {
    "optimizer": OptimizerSection, "schedule": ScheduleSection, "training": TrainingSection,
}  # fmt: skip
"""Sections in which many runs differ, in the order in which they are checked."""
_NUMERIC = (int, float)
_DEVICES = get_args(get_type_hints(RunKeys)["device"])


@dataclass(frozen=True, kw_only=True)
class RunConfiguration(RunKeys):
    """Everything that defines a run and how it is computed; the meaning of each key is at its field.

    Attributes:
        label: the variant's name in tables: its name, and the equations that differ from the file of that name.
    """

    variant: Variant
    opening: Opening
    task: Task

    def mapping(self) -> dict[str, Any]:
        """Return the resolved configuration as nested plain values, without keys that have their neutral value."""
        return without_neutral(RunKeys, {name: plain_section(getattr(self, name)) for name in keys_of(RunKeys)})

    @property
    def science(self) -> dict[str, Any]:
        """The part of :meth:`mapping` that determines the numbers."""
        hashed = without_neutral(RunKeys, {name: getattr(self, name) for name in SCIENCE})
        return {name: science_of(name, section) for name, section in hashed.items()}

    @cached_property
    def identity(self) -> str:
        """16 hex digits; runs of the same identity are the same run."""
        return (self.beside_seed or beside_seed(self.__dict__)).identity(self.seed)

    @property
    def beside_seed(self) -> BesideSeed | None:
        """What is kept for this run and those that differ in their seed alone; None before :meth:`with_seed`."""
        kept: BesideSeed | None = self.__dict__.get("_kept")
        return kept

    def with_seed(self, seed: int) -> Self:
        """Return the run that differs in its seed alone, much faster than ``dataclasses.replace``."""
        kept = self._keeping()
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, seed=seed, identity=kept.identity(seed))
        return other

    def varied(self, sections: Mapping[str, Any], seed: int, numbers: Mapping[tuple[str, str], int | float]) -> Self:
        """Return the run that differs in some sections, and in these in some numbers alone.

        Args:
            sections: checked.
            numbers: section and key -> number, all that is different in them.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **sections, seed=seed)
        kept = self._keeping().varied(self.__dict__, numbers) or beside_seed(other.__dict__)
        other.__dict__.update(_kept=kept, identity=kept.identity(seed))
        return other

    def _keeping(self) -> BesideSeed:
        if "_kept" not in self.__dict__:
            self.__dict__["_kept"] = beside_seed(self.__dict__)
        kept: BesideSeed = self.__dict__["_kept"]
        return kept


@cache
def _defaults() -> dict[str, Any]:
    return {key: plain_section(default_of(key)) for key in KEYS if key not in REQUIRED}


def run_configuration(
    mapping: Mapping[str, Any],
    directories: Iterable[str | Path] = (),
    *,
    frozen: bool = False,
    with_torch: bool = True,
) -> RunConfiguration:
    """Check a composed configuration and return the run it describes.

    Args:
        mapping: nested plain values, as conf/train.yaml and its groups compose them.
        directories: folders beside conf/ that hold variants.
        frozen: the mapping is that of :meth:`RunConfiguration.mapping`; no file of a variant is read, because it may
            have changed.
        with_torch: False omits :func:`check_optimizer`, the only check that imports torch, which takes seconds.

    Raises:
        UserError: one line that names the first wrong thing, its value and what is allowed.
    """
    return Reading(directories, frozen=frozen).run(mapping, with_torch=with_torch)


class Reading:
    """Checks many configurations, as :func:`run_configuration` does one.

    A section shared by several configurations is checked once, and is one object in all their runs.

    Args:
        directories: as for :func:`run_configuration`, and so is ``frozen``.
    """

    def __init__(self, directories: Iterable[str | Path] = (), *, frozen: bool = False) -> None:
        self._directories = tuple(directories)
        self._frozen = frozen
        self._files: dict[str, Path] | None = {} if frozen else None
        self._made: dict[tuple[Any, ...], Any] = {}
        self._seen: dict[tuple[str, Same], Any] = {}
        self._runs: dict[tuple[Any, ...], RunConfiguration] = {}

    def run(self, mapping: Mapping[str, Any], *, with_torch: bool = True) -> RunConfiguration:
        """Return the run that a composed configuration describes; see :func:`run_configuration`.

        A mapping whose sections are the same objects as those of one before, and which differs in the seed at most, is
        not checked again: nothing that is checked depends on the seed beside its own limits.
        """
        place = (with_torch, *((name, _object(value)) for name, value in mapping.items() if name != "seed"))
        known = self._runs.get(place)
        if known is not None and "seed" in mapping:
            return known.with_seed(whole(mapping["seed"], "seed", 0, MOST_SEED))
        if len(self._runs) >= _SECTIONS:
            self._runs.clear()
        self._runs[place] = self._checked(mapping, with_torch=with_torch)
        return self._runs[place]

    def varied(
        self, known: RunConfiguration, mapping: Mapping[str, Any], keys: Sequence[tuple[str, str]]
    ) -> RunConfiguration | None:
        """Return the run of a configuration that differs from that of a known one in some numbers alone, and the seed.

        Only what can depend on these is checked.

        Args:
            known: as :meth:`run` returns it, without torch.
            mapping: of the other run.
            keys: section and key of each number.

        Returns:
            None where :meth:`run` has to look: the keys are of other sections, or something is wrong.
        """
        changed = {section for section, _ in keys}
        try:
            sections = {name: self._varied_section(name, mapping[name]) for name in _VARIED if name in changed}
            seed = whole(mapping["seed"], "seed", 0, MOST_SEED)
            numbers = _numbers(known, sections, keys)
            if numbers is None or len(sections) < len(changed):
                return None
            run = known.varied(sections, seed, numbers)
            check_noise(run)
            check_possible(run, changed)
        except UserError:
            return None
        return run

    def _varied_section(self, name: str, content: Mapping[str, Any]) -> BaseModel:
        """Return a section; points that share the content of a section share it."""
        place = (name, Same(content))
        if place not in self._seen:
            if len(self._seen) >= _SECTIONS:
                self._seen.clear()
            self._seen[place] = check(_VARIED[name], content, name)
        section: BaseModel = self._seen[place]
        return section

    def _checked(self, mapping: Mapping[str, Any], *, with_torch: bool) -> RunConfiguration:
        for key in mapping:
            if key not in KEYS:
                given = [name for name in KEYS if TOP[name].given]
                raise UserError(f"unknown key '{key}'{suggest(str(key), given)}; allowed: {', '.join(given)}")
        for key in REQUIRED:
            if key not in mapping:
                raise UserError(f"key '{key}' is missing")
        mapping = {**_defaults(), **mapping}
        if not isinstance(mapping["variant"], Mapping):
            raise UserError(
                f"variant={one_line(mapping['variant'])}: must be a mapping with the keys of a variant file"
            )
        variant = self._once("variant", mapping["variant"], self._variant)
        optimizer = self._section(OptimizerSection, mapping, "optimizer")
        task = self._once("task", mapping["task"], self._task)
        model = self._model(mapping, variant, task)
        configuration = RunConfiguration(
            variant=variant,
            label=str(mapping["label"])
            if self._frozen
            else self._of((variant,), variant_label, variant, self._variant_files),
            opening=self._opening(mapping, task),
            task=task,
            model=model,
            optimizer=optimizer,
            schedule=self._section(ScheduleSection, mapping, "schedule"),
            training=self._section(TrainingSection, mapping, "training"),
            seed=whole(mapping["seed"], "seed", 0, MOST_SEED),
            path=choice(mapping["path"], "path", names()),
            device=choice(mapping["device"], "device", _DEVICES),
            threads=whole(mapping["threads"], "threads", 1, 4096),
            stack=self._section(StackSection, mapping, "stack"),
            logger=self._once("logger", mapping["logger"], logger_section),
            runs_dir=text(mapping["runs_dir"], "runs_dir"),
            progress=choice(mapping["progress"], "progress", (True, False)),
        )
        for key in ("plan_only", "describe"):
            choice(mapping[key], key, (True, False))
        parts = (variant, configuration.opening, task, model, configuration.training)
        self._of(parts, check_together, configuration)
        if not self._frozen:  # stored settings were valid
            looked_at = [getattr(configuration, name) for name in LOOKED_AT]
            place = ("possible", *(one if isinstance(one, str) else Same(one) for one in looked_at))
            self._remembered(place, lambda: check_possible(configuration))
        if with_torch:
            self._of((optimizer,), check_optimizer, optimizer)
        return configuration

    @property
    def _variant_files(self) -> dict[str, Path]:
        if self._files is None:
            self._files = variant_files(self._directories)
        return self._files

    def _variant(self, mapping: Mapping[str, Any]) -> Variant:
        return Variant.from_mapping(mapping) if self._frozen else edited_variant(mapping, self._variant_files)

    def _task(self, mapping: Mapping[str, Any]) -> Task:
        task = task_from_mapping(mapping)
        return task if self._frozen else task.pinned()

    def _opening(self, mapping: Mapping[str, Any], task: Task) -> Opening:
        opening = self._once("opening", mapping["opening"], opening_from_mapping)
        if self._frozen:
            return opening
        return self._of((opening, task), lambda: opening.fitted(lambda: _steps(task)))

    def _model(self, mapping: Mapping[str, Any], variant: Variant, task: Task) -> ModelSection:
        model = self._section(ModelSection, mapping, "model")

        def sized() -> ModelSection:
            found = model
            if model.match is not None and not self._frozen:
                found = matched(variant, task, model, self._directories)
            return found.model_copy(update={"embedding": embedding_size(found, task)})

        return self._of((model, variant, task), sized)

    def _section(self, section: type[Section], mapping: Mapping[str, Any], name: str) -> Section:
        return self._once(name, mapping[name], lambda content: check(section, content, name))

    def _once(self, name: str, content: Any, make: Callable[[Any], Made]) -> Made:
        """Make an object from plain values, or return the one made from equal values before."""
        place = (name, Same(content))
        if place not in self._seen:
            if len(self._seen) >= _SECTIONS:
                self._seen.clear()
            # repr tells 1 from 1.0 and from true
            self._seen[place] = self._remembered((name, repr(content)), lambda: make(content))
        made: Made = self._seen[place]
        return made

    def _of(self, parts: Sequence[Any], make: Callable[..., Made], *arguments: Any) -> Made:
        """Make an object from parts that are cached objects themselves."""
        return self._remembered((make.__qualname__, *map(Same, parts)), lambda: make(*arguments))

    def _remembered(self, key: tuple[Any, ...], make: Callable[[], Made]) -> Made:
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made


def _numbers(
    known: RunConfiguration, sections: Mapping[str, BaseModel], keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], int | float] | None:
    """Return the numbers in which sections differ from those of a known run; None if they differ in anything else."""
    numbers = {}
    for name, section in sections.items():
        before = getattr(known, name)
        allowed = [key for of, key in keys if of == name]
        for one, other in ((before.__dict__, section.__dict__), (before.model_extra or {}, section.model_extra or {})):
            if one.keys() != other.keys():
                return None
            for key, value in other.items():
                if key in allowed and type(value) in _NUMERIC and type(one[key]) in _NUMERIC:
                    numbers[name, key] = value
                elif value is not one[key] and not _same(value, one[key]):
                    return None
    return {place: numbers[place] for place in keys} if len(numbers) == len(keys) else None


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are written alike: 1 and true are equal, but are not."""
    return type(one) is type(other) and not isinstance(one, list | dict) and bool(one == other)


def _object(value: Any) -> Any:
    """Return what tells a section of a mapping from another: its place in memory; for a single value its text."""
    # the question whether something is a Mapping takes longer than all else, and a composed section is a dict
    return Same(value) if type(value) is dict or isinstance(value, Mapping) else repr(value)


def _steps(task: Task) -> int:
    """Return the steps of a training sequence, of the longest where they differ."""
    return int(task.training_batch(0, 0, 1).inputs.shape[0])


def variant_label(variant: Variant, files: Mapping[str, Path]) -> str:
    """Return what tables call a variant: its name, and what differs from the file of that name."""
    file = files.get(variant.name)
    if file is None:
        return variant.name
    original = variant_from_file(file)
    changed = [f"{name}={text}" for name, text in variant.equations.items() if original.equations.get(name) != text]
    others = {"state": (",".join(original.states), ",".join(variant.states))}
    others |= {"output": (original.output, variant.output)}
    others |= {f"roles.{role}": (original.roles.get(role, ""), gate) for role, gate in variant.roles.items()}
    changed += [f"{key}={after}" for key, (before, after) in others.items() if before != after]
    return " ".join([variant.name, *changed])
