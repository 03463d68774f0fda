"""The points of a sweep composed quickly: what Hydra composes, without reading every file again for each point."""

from gatelab.configuration.quick.composition import QuickComposition
from gatelab.configuration.quick.runs import runs_of

__all__ = ["QuickComposition", "runs_of"]
