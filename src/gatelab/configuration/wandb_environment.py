"""The environment variables of Weights & Biases: used by gatelab, used by wandb, or without effect.

An option on the command line has priority over a variable, and a variable over conf/logger/wandb.yaml.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gatelab.disk import check_place
from gatelab.errors import UserError
from gatelab.keys import WandbSection

__all__ = ["DEFAULTS", "LEFT", "OBEYED", "TOLD", "check_variables", "default", "forget_told", "told"]

_PREFIX = "WANDB_"

OBEYED: dict[str, str] = {
    "WANDB_MODE": "logger.wandb.mode, if that is not given",
    "WANDB_DISABLED": "true is mode disabled (wandb 0.31 itself does not read it any more)",
    "WANDB_PROJECT": "logger.wandb.project, if that is not given",
    "WANDB_ENTITY": "logger.wandb.entity, if that is not given",
    "WANDB_DIR": "the folder that holds W&B's folder, in place of runs_dir",
    "WANDB_RUN_GROUP": "the group, in place of the sweep's name",
    "WANDB_TAGS": "tags beside those of variant, task, opening and status",
    "WANDB_NAME": "the name of a single run; runs of a sweep are called by variant and seed",
    "WANDB_SWEEP_ID": "the sweep of W&B's own whose agent this is: ids are those that it draws",
}
"""Variable -> what it does here."""

TOLD: dict[str, str] = {
    "WANDB_RUN_ID": "the id of a run is its identity, and one id would make all runs one",
    "WANDB_RESUME": "a run that goes on finds its run in W&B by itself",
    "WANDB_RESUMED": "a run that goes on finds its run in W&B by itself",
    "WANDB_RESUME_FROM": "a run goes on from its own checkpoint",
    "WANDB_FORK_FROM": "a run goes on from its own checkpoint",
    "WANDB_JOB_TYPE": "the job type is the label of the variant",
    "WANDB_REINIT": "several runs are open at once",
    "WANDB_CONSOLE": "the terminal is not mirrored: it shows several runs at once",
    "WANDB_SILENT": "W&B writes nothing on the terminal; what goes wrong is a line that begins with warning:",
    "WANDB_INIT_TIMEOUT": "logger.wandb.patience says how long W&B may take",
    "WANDB_CONFIG_PATHS": "the config is that of the run (and wandb 0.31 ends with an error where it is set)",
    "WANDB_ANONYMOUS": "wandb 0.31 has no anonymous runs any more",
    "WANDB_DESCRIPTION": "wandb 0.31 does not read it; WANDB_NOTES it does",
    "WANDB_MAGIC": "wandb 0.31 does not read it",
    "WANDB_SHOW_RUN": "wandb 0.31 does not read it",
    "WANDB_START_METHOD": "wandb 0.31 does not read it",
}
"""Variable -> why it has no effect; it is hidden from wandb."""

DEFAULTS = ("mode", "project", "entity")
"""Options of logger.wandb that a variable may give."""

_AGREED = {"WANDB_SILENT": ("true", "1", "yes", "on"), "WANDB_CONSOLE": ("off",)}  # values that match our behaviour
_SECRET = ("WANDB_API_KEY",)

_LEFT = (
    "AGENT_DISABLE_FLAPPING", "AGENT_KILL_DELAY", "AGENT_MAX_INITIAL_FAILURES", "AGENT_REPORT_INTERVAL",
    "ALLOW_MEDIA_SYMLINK", "ALLOW_OFFLINE_ARTIFACTS", "ALLOW_VAL_CHANGE", "API_KEY", "APP_URL", "ARGS",
    "ARTIFACT_DIR", "ARTIFACT_FETCH_FILE_URL_BATCH_SIZE", "AZURE_ACCOUNT_URL_TO_ACCESS_KEY", "BASE_URL",
    "CACHE_DIR", "CAPTURE_LOGGERS", "CODE_DIR", "CONFIG_DIR", "CONSOLE_CHUNK_MAX_BYTES",
    "CONSOLE_CHUNK_MAX_SECONDS", "CONSOLE_MULTIPART", "CORE_DEBUG", "CRASH_NOSYNC_TIME", "CREDENTIALS_FILE",
    "DATA_DIR", "DEBUG", "DISABLE_CODE", "DISABLE_GIT", "DISABLE_GIT_FORK_POINT", "DISABLE_JOB_CREATION", "DOCKER",
    "ENABLE_DCGM_PROFILING", "ERROR_REPORTING", "FILE_PUSHER_TIMEOUT", "FINISH_TIMEOUT", "FINISH_TIMEOUT_RAISES",
    "FORCE", "GIT_COMMIT", "GIT_REMOTE", "GIT_REMOTE_URL", "GIT_ROOT", "HEARTBEAT_SECONDS", "HOST", "HTTPS_PROXY",
    "HTTP_PROXY", "HTTP_TIMEOUT", "IDENTITY_TOKEN_FILE", "IGNORE_GLOBS", "INITED", "INSECURE_DISABLE_SSL",
    "JOB_NAME", "JOB_SOURCE", "JUPYTER", "LABEL_DISABLE", "LAUNCH", "LAUNCH_CONFIG_PATH", "LAUNCH_QUEUE_ENTITY",
    "LAUNCH_QUEUE_NAME", "LAUNCH_TRACE_ID", "LOGIN_TIMEOUT", "MAX_END_OF_RUN_HISTORY_METRICS",
    "MAX_END_OF_RUN_SUMMARY_METRICS", "NOTEBOOK_NAME", "NOTES", "ORGANIZATION", "PROGRAM", "PROGRAM_ABSPATH",
    "PROGRAM_RELPATH", "QUIET", "RELOGIN", "RUN_DIR", "RUN_STORAGE_ID", "SAGEMAKER_DISABLE", "SAVE_CODE", "SERVICE",
    "SETTINGS_SYSTEM", "SHOW_COLORS", "SHOW_EMOJI", "SHOW_ERRORS", "SHOW_INFO", "SHOW_WARNINGS", "STOP_FN",
    "STOP_ON_FATAL_ERROR", "STRICT", "SUMMARY_TIMEOUT", "SUMMARY_WARNINGS", "SWEEP_PARAM_PATH", "SYMLINK",
    "SYNC_TENSORBOARD", "TABLE_RAISE_ON_MAX_ROW_LIMIT_EXCEEDED", "USERNAME", "USER_EMAIL", "USE_DOT_WANDB",
    "X_EXECUTABLE",
)  # fmt: skip
LEFT = frozenset(f"{_PREFIX}{name}" for name in _LEFT)
"""Variables that wandb itself reads. (Its internals, ``WANDB_X_…`` and ``WANDB__…``, are left to it as well.)"""

_NAMES = [name.removeprefix(_PREFIX) for name in sorted(LEFT | OBEYED.keys())]


def default(name: str, otherwise: str | None = None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return ``mode``, ``project`` or ``entity`` of the environment; an empty variable counts as unset."""
    value = environ.get(f"{_PREFIX}{name.upper()}") or otherwise
    if name != "mode":
        return value
    if _is_true(environ.get("WANDB_DISABLED", "")):
        return "disabled"
    return {"dryrun": "offline", "run": "online"}.get(str(value), value)  # wandb's older names


def told(environ: Mapping[str, str], *, sweep: bool) -> Iterator[str]:
    """Yield a line for each variable that is set and has no effect, and for each that may be a misspelling."""
    for name in sorted(environ):
        value = environ[name]
        if not name.startswith(_PREFIX) or not value or value.lower() in _AGREED.get(name, ()):
            continue
        if name == "WANDB_NAME" and sweep:
            yield f"{name}={value} has no effect: runs of a sweep are called by variant and seed"
        elif name in TOLD and not (name == "WANDB_RUN_ID" and environ.get("WANDB_SWEEP_ID")):
            yield f"{name}={value} has no effect: {TOLD[name]}"
        elif near := _misspelt(name):
            yield f"{name} is no variable that W&B knows (did you mean '{near}'?)"


def _misspelt(name: str) -> str | None:
    """Return the variable that an unknown name resembles; a name unlike all may belong to another program."""
    if name in LEFT | OBEYED.keys() | TOLD.keys() or name.startswith(("WANDB_X_", "WANDB__")):
        return None
    near = get_close_matches(name.removeprefix(_PREFIX), _NAMES, n=1, cutoff=0.75)
    return f"{_PREFIX}{near[0]}" if near else None


def check_variables(section: WandbSection, environ: Mapping[str, str]) -> None:
    """Refuse values that wandb refuses, a folder that cannot be written, and mode online without a login.

    Raises:
        UserError: one line that names the variable.
    """
    if section.mode == "disabled":
        return
    if folder := environ.get("WANDB_DIR"):
        check_place(Path(folder), f"WANDB_DIR={folder}")
    given = {name: value for name, value in environ.items() if value and name in LEFT | OBEYED.keys()}
    if given:
        import wandb

        for name, value in given.items():
            try:
                wandb.Settings().update_from_env_vars({name: value})
            except Exception as error:  # pydantic's, and wandb's own
                shown = "…" if name in _SECRET else value
                raise UserError(f"{name}={shown}: wandb refuses it: {_reason(error)}") from None
    if section.mode == "online":
        _check_login()


def _check_login() -> None:
    forget_told()
    from wandb.errors import Error
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib import wbauth

    address = wandb_setup.singleton().settings.base_url
    advice = "`wandb login` or WANDB_API_KEY gives a key, logger.wandb.mode=offline needs none"
    try:
        found = wbauth.authenticate_session(host=address, source="gatelab", prompt=False, update_session=False)
    except (Error, ValueError) as error:
        raise UserError(f"logger.wandb.mode=online: {_reason(error)}; {advice}") from None
    if found is None:
        raise UserError(f"logger.wandb.mode=online: no login for {address}; {advice}")


def forget_told(environ: Any = os.environ) -> None:
    """Remove from the environment the variables that wandb must ignore, and empty ones, which it would refuse."""
    inside = environ.get("WANDB_SWEEP_ID")
    for name in [name for name in environ if name.startswith(_PREFIX)]:
        if not environ[name] or (name in TOLD and not (name == "WANDB_RUN_ID" and inside)):
            del environ[name]


def _is_true(value: str) -> bool:
    return value.lower() in ("true", "1", "yes", "on", "y", "t")


def _reason(error: Exception) -> str:
    errors = getattr(error, "errors", None)
    return str(errors()[0]["msg"]) if callable(errors) else " ".join(str(error).split())
