"""The keys at the top of a configuration. Those of a run decide what it is; those of the command are never stored."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from gatelab.keys.key import Key
from gatelab.keys.sections import (
    LoggerSection,
    ModelSection,
    OptimizerSection,
    ScheduleSection,
    StackSection,
    TrainingSection,
)

__all__ = ["CommandKeys", "RunKeys"]


@dataclass(frozen=True, kw_only=True)
class RunKeys:
    """Everything that says what a run is and how it is computed, in the order in which a run's config.yaml has it.

    The classes of a variant, an opening and a task belong to rooms above this one.
    """

    variant: Annotated[Any, Key("the equations")]
    label: Annotated[str, Key("what tables call the variant", science=False, given=False, in_files=False)] = ""
    opening: Annotated[Any, Key("where gates start", stack=True, told=True)]
    task: Annotated[Any, Key("data, loss and score", kind="data")]
    model: Annotated[ModelSection, Key("the network around the variant")]
    optimizer: Annotated[OptimizerSection, Key("a first-order optimizer of torch.optim")]
    schedule: Annotated[ScheduleSection, Key("how the learning rate goes over the steps", stack=True)]
    training: Annotated[TrainingSection, Key("how a run is fitted")]
    stack: Annotated[StackSection, Key("how runs share a fit", science=False)] = field(default_factory=StackSection)
    logger: Annotated[LoggerSection, Key("where else the history is logged", science=False, in_files=False)] = field(
        default_factory=LoggerSection
    )
    seed: Annotated[int, Key("initial weights, data order, noise: everything random", stack=True)] = 0
    path: Annotated[
        str,
        Key("how the recurrence runs: auto, native, scan or loop; all agree to rounding", science=False),
    ] = "auto"
    device: Annotated[Literal["auto", "cpu", "cuda"], Key("auto, cpu or cuda", science=False)] = "auto"
    threads: Annotated[int, Key("CPU threads of the process", science=False)] = 1
    runs_dir: Annotated[str, Key("the store", science=False, in_files=False)] = "runs/"
    progress: Annotated[bool, Key("a progress bar, on a terminal", science=False)] = True


@dataclass(frozen=True, kw_only=True)
class CommandKeys:
    """What the command is to do beside training the run."""

    plan_only: Annotated[
        bool,
        Key("print what would be trained and what it would cost, and train nothing", science=False, in_files=False),
    ] = False
    debug: Annotated[bool, Key("errors with their traceback", science=False, in_files=False)] = False
