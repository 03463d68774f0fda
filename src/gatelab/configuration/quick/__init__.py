"""The points of a sweep composed quickly: what Hydra composes, without reading every file again for each point."""

from gatelab.configuration.quick.checked_runs import runs_of
from gatelab.configuration.quick.composition import QuickComposition

__all__ = ["QuickComposition", "runs_of"]
