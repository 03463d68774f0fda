"""Runs of Weights & Biases: started in bounded time, offline if the server cannot be reached, ended at the exit."""

import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gatelab.configuration.wandb_environment import forget_told
from gatelab.errors import kind_and_words
from gatelab.keys import WandbSection
from gatelab.training.timeouts import within

__all__ = ["shortened", "start_run", "tags_of_environment"]

LEAVING = 5.0  # seconds that the service process has to end at the exit; every run of it has been ended by then
NAME, TAG = 128, 64  # the longest name of a project and the longest tag, in characters: wandb/sdk/wandb_settings.py

_answers: list[bool] = []  # whether the server answered; checked once per process


def start_run(
    section: WandbSection,
    directory: Path,
    *,
    name: str,
    job_type: str,
    group: str | None = None,
    tags: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    identity: str | None = None,
    resumed: bool = False,
) -> Any:
    """Start a run of W&B beside others of this process, and return it.

    Online becomes offline, with a line on stderr, without a login or if the server does not answer.

    Args:
        section: project, entity, mode and patience.
        directory: where W&B makes its folder, unless WANDB_DIR is set.
        group: of runs that belong together, unless WANDB_RUN_GROUP is set.
        identity: the run's id in W&B; None for one that W&B draws. Inside an agent's sweep the agent has drawn it.
        resumed: whether to resume the run of this id. Offline it starts again: a run's files are never extended.

    Raises:
        TimeoutError: no answer in ``section.patience`` seconds.
        Exception: any other error of W&B.
    """
    import wandb

    forget_told()
    directory = Path(os.environ.get("WANDB_DIR") or directory)
    group = os.environ.get("WANDB_RUN_GROUP") or group
    tags = (*tags, *tags_of_environment())
    directory.mkdir(parents=True, exist_ok=True)
    logging.getLogger("wandb").setLevel(logging.ERROR)
    in_sweep = bool(os.environ.get("WANDB_SWEEP_ID"))

    def begin(mode: str) -> Any:
        return wandb.init(
            project=section.project,
            entity=section.entity,
            mode=mode,  # type: ignore[arg-type]
            id=None if in_sweep else identity,
            resume="allow" if resumed and mode == "online" and not in_sweep else None,
            name=shortened(name),
            group=None if group is None else shortened(group),
            job_type=shortened(job_type),
            tags=[shortened(tag, TAG) for tag in dict.fromkeys(tags)],
            dir=directory,
            config=dict(config or {}),
            # several runs of a stack are open at once, each with its own history
            reinit="create_new",
            # W&B adds 10 s of grace to its own limit, which should end before ours, because its error is more precise
            settings=wandb.Settings(silent=True, console="off", init_timeout=section.patience / 2),
        )

    try:
        mode = "offline" if section.mode == "online" and not _reached(section.patience) else section.mode
        return _begun(section.patience, lambda: begin(mode))
    finally:
        _exit.come_first()


def tags_of_environment() -> list[str]:
    """Return the tags in WANDB_TAGS, which every run gets in addition."""
    return [tag.strip() for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag.strip()]


def shortened(text: str, longest: int = NAME) -> str:
    """Return a text that W&B accepts as a name; a long one is cut and ends with an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _reached(seconds: float) -> bool:
    """Return whether there is a login and the server answers; prints a line on stderr the first time that it does not.

    Starting a run online would show this too, but a failed start blocks the run's id until the process ends.
    """
    import wandb

    def ask() -> None:
        _silence()
        wandb.login(verify=True)

    if not _answers:
        try:
            within(seconds, ask)
        except Exception as error:
            sys.stderr.write(f"warning: W&B is not reached, so runs are kept offline: {kind_and_words(error)}\n")
            _answers.append(False)
        else:
            _answers.append(True)
    return _answers[0]


def _silence() -> None:
    """Silence W&B in this process: its prompt for a key, which waits for ever, becomes an error."""
    import wandb

    wandb.setup(wandb.Settings(silent=True))


def _begun(seconds: float, begin: Callable[[], Any]) -> Any:
    """Return the started run; one that starts too late is ended, because nothing uses it."""
    runs: list[Any] = []
    left = threading.Event()

    def act() -> None:
        _silence()
        run = begin()
        if left.is_set():
            run.finish(exit_code=1)
        runs.append(run)

    try:
        within(seconds, act)
    except TimeoutError:
        left.set()
        raise
    return runs[0]


class _Exit:
    """End the service process of W&B in bounded time: W&B itself waits for ever while it hangs or uploads.

    The thread starts early: at the exit of the interpreter no new thread can start.
    """

    def __init__(self) -> None:
        self._asked, self._done = threading.Event(), threading.Event()
        self._pid: int | None = None

    def come_first(self) -> None:
        """Register to be called at the exit before the functions that W&B has registered."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            threading.Thread(target=self._end, daemon=True).start()
        atexit.unregister(self._leave)
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self._pid != os.getpid():  # a forked process has neither the thread nor the service
            return
        process = _service_process()
        self._asked.set()
        if not self._done.wait(LEAVING) and process is not None:
            # it keeps the terminal open; unsent data are on disk, for `wandb sync`
            process.kill()
            print(f"warning: W&B has not ended after {LEAVING:g} s and was stopped", file=sys.stderr)

    def _end(self) -> None:
        import wandb

        self._asked.wait()
        with suppress(Exception, SystemExit):  # a service that has died
            wandb.teardown()
        self._done.set()


def _service_process() -> Any:
    """Return the process that W&B has started, or None; wandb 0.31 has no public way to it."""
    from wandb.sdk import wandb_setup

    with suppress(AttributeError):
        return wandb_setup.singleton()._connection._proc._process  # type: ignore[union-attr]
    return None


_exit = _Exit()
