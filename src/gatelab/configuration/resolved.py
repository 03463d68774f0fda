"""A run's configuration: every key checked, every default filled in, and its identity."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel

from gatelab.compiler import parameter_shapes
from gatelab.configuration.conflicts import check_possible
from gatelab.configuration.matched_width import embedding_size, matched
from gatelab.configuration.optimizer_arguments import check_optimizer
from gatelab.configuration.shared_values import BesideSeed, Same
from gatelab.configuration.top_values import choice, text, whole
from gatelab.errors import UserError, one_line, suggest
from gatelab.keys import (
    KEYS,
    REQUIRED,
    SCIENCE,
    TOP,
    LoggerSection,
    ModelSection,
    OptimizerSection,
    RunKeys,
    ScheduleSection,
    StackSection,
    TrainingSection,
    check_remarks,
    default_of,
    keys_of,
    without_neutral,
)
from gatelab.language import Variant, edited_variant, variant_files, variant_from_file
from gatelab.layers.openings import Opening, opening_from_mapping
from gatelab.paths import names
from gatelab.store import identity_of_bytes, science_text, scientific_section, text_around
from gatelab.tasks import Task, task_from_mapping
from gatelab.tasks.series.series_keys import SeriesKeys
from gatelab.validation import check

__all__ = ["MOST_SEED", "Reading", "RunConfiguration", "run_configuration", "science_of", "variant_label"]

Section = TypeVar("Section", bound=BaseModel)
Made = TypeVar("Made")

MOST_SEED = 2**63 - 1
_SECTIONS = 4096  # whose texts are kept
_SECTIONS_HASHED = tuple(name for name in SCIENCE if name != "seed")
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
        return without_neutral(RunKeys, {name: _plain(getattr(self, name)) for name in keys_of(RunKeys)})

    @property
    def science(self) -> dict[str, Any]:
        """The part of :meth:`mapping` that determines the numbers."""
        return {name: science_of(name, getattr(self, name)) for name in self._hashed}

    @cached_property
    def identity(self) -> str:
        """16 hex digits; runs of the same identity are the same run."""
        beside = self.beside_seed or self._beside_seed()
        return identity_of_bytes(b"%b%d%b" % (beside.before, self.seed, beside.after))

    @property
    def beside_seed(self) -> BesideSeed | None:
        """What is kept for this run and those that differ in their seed alone; None before :meth:`with_seed`."""
        kept: BesideSeed | None = self.__dict__.get("_kept")
        return kept

    def with_seed(self, seed: int) -> "RunConfiguration":
        """Return the run that differs in its seed alone, much faster than ``dataclasses.replace``."""
        if "_kept" not in self.__dict__:
            self.__dict__["_kept"] = self._beside_seed()
        other = object.__new__(RunConfiguration)
        other.__dict__.update(self.__dict__)
        other.__dict__["seed"] = seed
        other.__dict__.pop("identity", None)
        return other

    def _beside_seed(self) -> BesideSeed:
        before, after = _text_around_seed(tuple(Same(getattr(self, name)) for name in _SECTIONS_HASHED))
        return BesideSeed(before.encode("ascii"), after.encode("ascii"))

    @property
    def _hashed(self) -> Iterable[str]:
        return _hashed({name: getattr(self, name) for name in SCIENCE})


@cache
def _defaults() -> dict[str, Any]:
    return {key: _plain(default_of(key)) for key in KEYS if key not in REQUIRED}


def science_of(name: str, section: Any) -> Any:
    """Return the part of one section that determines the numbers, as plain values."""
    if isinstance(section, Variant):
        # the order of a mapping has no meaning, except for equations: it determines the meaning of a state's name and
        # the order in which weights are drawn
        return {**scientific_section(name, section.mapping()), "order": list(section.equations)}
    if isinstance(section, Opening | Task):
        check_remarks(type(section))
    return scientific_section(name, _plain(section))


def _plain(section: Any) -> Any:
    """Return a section as plain values. A key with its neutral value is left out, as if it did not exist."""
    if isinstance(section, Variant):
        return section.mapping()
    if isinstance(section, BaseModel):
        return without_neutral(type(section), section.model_dump(mode="json", by_alias=True))
    return section


def _hashed(content: dict[str, Any]) -> Iterable[str]:
    return without_neutral(RunKeys, content)


@lru_cache(maxsize=_SECTIONS)
def _text_around_seed(sections: tuple[Same, ...]) -> tuple[str, str]:
    """Return the text before and after the seed in what is hashed: most points of a sweep differ in it alone."""
    values = dict(zip(_SECTIONS_HASHED, sections, strict=True))
    hashed = _hashed({name: same.value for name, same in values.items()})
    return text_around({name: _science_text(name, values[name]) for name in hashed}, "seed")


@lru_cache(maxsize=_SECTIONS)
def _science_text(name: str, section: Same) -> str:
    return science_text(name, science_of(name, section.value))


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
            logger=self._once("logger", mapping["logger"], _loggers),
            runs_dir=text(mapping["runs_dir"], "runs_dir"),
            progress=choice(mapping["progress"], "progress", (True, False)),
        )
        for key in ("plan_only", "describe"):
            choice(mapping[key], key, (True, False))
        parts = (variant, configuration.opening, task, model, configuration.training)
        self._of(parts, _check_together, configuration)
        if not self._frozen:  # stored settings were valid
            shared = (variant, task, model, optimizer, configuration.schedule, configuration.training)
            place = ("possible", configuration.path, configuration.device, *map(Same, shared))
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


def _object(value: Any) -> Any:
    """Return what tells a section of a mapping from another: its place in memory; for a single value its text."""
    # the question whether something is a Mapping takes longer than all else, and a composed section is a dict
    return Same(value) if type(value) is dict or isinstance(value, Mapping) else repr(value)


def _check_together(configuration: RunConfiguration) -> None:
    """Refuse combinations of sections that are impossible."""
    variant, model, task = configuration.variant, configuration.model, configuration.task
    embedding = embedding_size(model, task)
    if variant.needs_equal_sizes and (embedding or task.input_size) != model.hidden_size:
        raise UserError(
            f"model.hidden_size={model.hidden_size}: variant '{variant.name}' mixes x with hidden vectors element by "
            f"element, so it must equal the task's input size {task.input_size}; model.embedding=hidden makes it so"
        )
    if variant.needs_equal_sizes and model.bidirectional and model.num_layers > 1:
        raise UserError(
            f"model.bidirectional=true: variant '{variant.name}' mixes x with hidden vectors element by element, and a "
            "second layer would read twice as many; must be false, or model.num_layers=1"
        )
    if model.bidirectional and isinstance(task, SeriesKeys) and task.horizon is not None:
        raise UserError(
            "model.bidirectional=true: reads the values that a forecast is to predict; must be false with task.horizon"
        )
    if configuration.training.input_noise and task.reads_tokens:
        raise UserError(
            f"training.input_noise={configuration.training.input_noise:g}: task '{task.name}' reads tokens, to which "
            "nothing can be added; must be 0"
        )
    _check_forms(variant, embedding or task.input_size, model.hidden_size)
    if model.num_layers > 1:
        _check_forms(variant, model.hidden_size * (2 if model.bidirectional else 1), model.hidden_size)
    configuration.opening.check(variant)


def _check_forms(variant: Variant, input_size: int, hidden_size: int) -> None:
    """Refuse sizes that a structured weight cannot have."""
    try:
        parameter_shapes(variant, input_size, hidden_size)
    except UserError as error:
        raise UserError(f"model.hidden_size={hidden_size}: variant '{variant.name}', {error}") from None


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


def _loggers(value: Any) -> LoggerSection:
    """Read ``{wandb: {...}, csv: {}}``; without loggers there is only the history in runs_dir."""
    if not isinstance(value, Mapping | None):
        raise UserError(f"logger={one_line(value)}: must be of {', '.join(LoggerSection.model_fields)}")
    return check(LoggerSection, value or {}, "logger")
