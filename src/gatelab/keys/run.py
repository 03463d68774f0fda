"""The keys at the top of a configuration. Those of a run define it; those of the command are never stored."""

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
    """Everything that defines a run and how it is computed, in the order of a run's config.yaml.

    The classes of a variant, an opening and a task belong to rooms above this one.
    """

    variant: Annotated[Any, Key("the equations")]
    label: Annotated[str, Key("name of the variant in tables", science=False, given=False, in_files=False)] = ""
    opening: Annotated[Any, Key("initial biases of the gates", stack=True, told=True)]
    task: Annotated[Any, Key("data, loss and score", kind="data")]
    model: Annotated[ModelSection, Key("the network around the variant")]
    optimizer: Annotated[OptimizerSection, Key("a first-order optimizer of torch.optim")]
    schedule: Annotated[ScheduleSection, Key("learning rate over the steps", stack=True)]
    training: Annotated[TrainingSection, Key("how a run is trained")]
    stack: Annotated[StackSection, Key("runs that train together", science=False)] = field(default_factory=StackSection)
    logger: Annotated[LoggerSection, Key("further loggers of the history", science=False, in_files=False)] = field(
        default_factory=LoggerSection
    )
    seed: Annotated[int, Key("initial weights, data order, noise: everything random", stack=True)] = 0
    path: Annotated[
        str,
        Key("how the recurrence runs: auto, native, triton, scan or loop; all agree to rounding", science=False),
    ] = "auto"
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        Key("auto (cuda where it is, else cpu), cpu, cuda or mps", science=False),
    ] = "auto"
    threads: Annotated[int, Key("CPU threads of the process", science=False)] = 1
    runs_dir: Annotated[str, Key("the store", science=False, in_files=False)] = "runs/"
    progress: Annotated[bool, Key("a progress bar, on a terminal", science=False)] = True


@dataclass(frozen=True, kw_only=True)
class CommandKeys:
    """Options of the command beside those of the run."""

    plan_only: Annotated[
        bool,
        Key("print the plan and its cost, and train nothing", science=False, in_files=False),
    ] = False
    describe: Annotated[
        bool,
        Key("print what was understood of the task's data, and train nothing", science=False, in_files=False),
    ] = False
    debug: Annotated[bool, Key("print errors with their traceback", science=False, in_files=False)] = False
