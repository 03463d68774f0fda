"""conf/ composed, checked and turned into the configuration of a run."""

from gatelab.configuration.arguments import added_directories, arranged, quote_equations
from gatelab.configuration.compose import composed, ours, plain, translated
from gatelab.configuration.matching import embedding_size
from gatelab.configuration.run import Reading, RunConfiguration, check_optimizer, run_configuration
from gatelab.configuration.stacking import STACKABLE, shape_key

__all__ = [
    "STACKABLE",
    "Reading",
    "RunConfiguration",
    "added_directories",
    "arranged",
    "check_optimizer",
    "composed",
    "embedding_size",
    "ours",
    "plain",
    "quote_equations",
    "run_configuration",
    "shape_key",
    "translated",
]
