"""The settings of a search, as the sections on it see them."""

from typing import Any

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.collected import Setting
from gatelab.evidence.scores import worse

__all__ = ["by_validation", "is_number", "settings_of"]


def settings_of(analysis: Analysis, task: str, label: str) -> tuple[Setting, ...]:
    """Return the settings of a variant on a task, as they were tried; none if it was not."""
    return analysis.evidence.settings.get((task, label), ())


def by_validation(analysis: Analysis, task: str, label: str) -> list[Setting]:
    """Return the settings, the best first; a number of seeds plays no part here."""
    higher = analysis.evidence.of_task(task).higher_is_better
    return sorted(
        settings_of(analysis, task, label),
        key=lambda setting: (
            worse(setting.validation, higher_is_better=higher),
            setting.text,
        ),
    )


def is_number(value: Any) -> bool:
    """Whether a value of a setting can stand on an axis."""
    return isinstance(value, int | float) and not isinstance(value, bool)
