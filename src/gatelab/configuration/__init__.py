"""conf/ composed, checked and turned into the configuration of a run."""

from gatelab.configuration.arguments import added_directories, arranged
from gatelab.configuration.compose import check_single, composed, ours, plain, translated
from gatelab.configuration.folders import Folders, added_folders, check_swept_experiments, using
from gatelab.configuration.matching import embedding_size
from gatelab.configuration.run import Reading, RunConfiguration, check_optimizer, run_configuration
from gatelab.configuration.stacking import STACKABLE, shape_key
from gatelab.configuration.words import quote_equations

__all__ = [
    "STACKABLE",
    "Folders",
    "Reading",
    "RunConfiguration",
    "added_directories",
    "added_folders",
    "arranged",
    "check_optimizer",
    "check_single",
    "check_swept_experiments",
    "composed",
    "embedding_size",
    "ours",
    "plain",
    "quote_equations",
    "run_configuration",
    "shape_key",
    "translated",
    "using",
]
