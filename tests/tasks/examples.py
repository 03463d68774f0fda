"""Tasks small enough to read, and to run through every test."""

from gatelab.tasks import TASKS, GeneratedTask, Task
from gatelab.tasks.formal.strings import StringTask

TINY_CHORALES = {
    "train": [
        [[60, 64], [62], []],
        [[21, 108], [60], [61], [62], [63]],
        [[50], [51]],
        [[70, 72], [70, 72], [71]],
    ],
    "valid": [[[60], [], [60]], [[64], [65]]],
    "test": [[[60], [62], [64], [65], [67], [69], [71]]],
}

_OWN: dict[str, dict[str, object]] = {
    "adding": {"length": 7},
    "adding_hs97": {"length": 20},
    "adding_tcn": {"length": 7},
    "anbn": {"validation_largest": 18, "test_largest": 25},
    "anbncn": {"validation_largest": 18, "test_largest": 25},
    "continual_reber": {"length": 60},
    "copying": {"length": 4, "tokens": 9, "symbols": 7},
    "copying_s4": {"length": 4, "tokens": 9, "symbols": 7},
    "copying_tcn": {"length": 4, "tokens": 9, "symbols": 7},
    "copying_variable_lag": {"length": 4, "tokens": 9, "symbols": 7},
    "delay": {"length": 12, "lag": 3},
    "embedded_reber": {"length": 60, "shortest": 45},
    "missing_duplicate": {"length": 60, "min_length": 40},
    "mqar": {"length": 24, "vocabulary": 40},
    "mqar_forgetting": {"vocabulary": 40, "pairs": 4, "updates": 3},
    "multiplication": {"length": 20},
    "noise_free_long_lag": {"length": 9, "distractor_symbols": 6},
    "repeat_first": {"length": 23},
    "repeat_previous": {"length": 23, "k": 3},
    "selective_copying": {"length": 24, "tokens": 7, "symbols": 6},
    "state_tracking": {"length": 9},
    "temporal_order_2": {"length": 20},
    "temporal_order_3": {"length": 20},
    "timing_gts": {"length": 70, "period": 3, "longest_delay": 2},
    "timing_msd": {"length": 70, "period": 3, "longest_delay": 2},
    "timing_pfg": {"length": 14, "phase": "random"},
    "two_sequence_a": {"length": 12},
    "two_sequence_b": {"length": 12, "informative": 9},
    "two_sequence_c": {"length": 12},
    "unknown_delay_recall": {"length": 9},
}
"""Fields that make a task small, where its defaults and what its kind has do not."""


def _small(name: str, kind: type[Task]) -> dict[str, object]:
    """Return what makes a task small: few held-out sequences, short strings, and what is its own."""
    sizes = {"validation_size": 12, "test_size": 9} if issubclass(kind, GeneratedTask) else {}
    lengths = {"length": 30, "min_length": 22} if issubclass(kind, StringTask) else {}
    return {**sizes, **lengths, **_OWN.get(name, {})}


SMALL = {name: _small(name, kind) for name, kind in TASKS.items() if "path" not in kind.model_fields}
"""What makes each task small that reads no files, by its name."""
