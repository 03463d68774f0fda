"""Checks of the loggers of a run before anything is logged."""

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from gatelab.errors import UserError, one_line
from gatelab.keys import LoggerSection
from gatelab.validation import check

__all__ = ["check_loggers", "logger_section"]

# a server, a database of SQLAlchemy's, or a folder: what mlflow.tracking knows by itself
_ADDRESS = re.compile(r"(https?://[^/\s]+.*|file:.+|sqlite:///.+|(postgresql|mysql|mssql)(\+\w+)?://.+|databricks.*)")


def check_loggers(section: LoggerSection) -> None:
    """Refuse a logger whose package is not installed, or whose address is invalid.

    Raises:
        UserError: one line that names the logger and what is needed.
    """
    for kind in ("tensorboard", "mlflow"):
        if getattr(section, kind) is not None and importlib.util.find_spec(kind) is None:
            raise UserError(f"logger={kind}: needs `pip install {kind}`; allowed without: wandb, csv, none")
    if section.wandb is not None and importlib.util.find_spec("wandb") is None:
        raise UserError("logger=wandb: needs `pip install wandb`; allowed without: csv, none")
    address = None if section.mlflow is None else section.mlflow.tracking_uri
    if address is not None and ":" in address and not _ADDRESS.fullmatch(address):
        raise UserError(
            f"logger.mlflow.tracking_uri={address}: must be http://HOST, https://HOST, sqlite:///FILE, file:FOLDER, "
            "a database such as postgresql://…, or a folder"
        )


def logger_section(value: Any) -> LoggerSection:
    """Read ``{wandb: {...}, csv: {}}``; without loggers there is only the history in runs_dir."""
    if not isinstance(value, Mapping | None):
        raise UserError(f"logger={one_line(value)}: must be of {', '.join(LoggerSection.model_fields)}")
    return check(LoggerSection, value or {}, "logger")
