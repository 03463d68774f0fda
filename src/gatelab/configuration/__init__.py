"""Composes and checks conf/, and turns it into the configuration of a run."""

from gatelab.configuration.command_line import added_directories, arranged
from gatelab.configuration.compose import check_single, composed, launcher_words, ours, plain, translated
from gatelab.configuration.folders import Folders, added_folders, check_swept_experiments, using
from gatelab.configuration.matched_width import embedding_size
from gatelab.configuration.optimizer_arguments import check_optimizer
from gatelab.configuration.overrides import quote_equations
from gatelab.configuration.resolved import Reading, RunConfiguration, run_configuration, variant_label
from gatelab.configuration.stacking import shape_key
from gatelab.configuration.swept_points import Points

__all__ = [
    "Folders",
    "Points",
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
    "launcher_words",
    "ours",
    "plain",
    "quote_equations",
    "run_configuration",
    "shape_key",
    "translated",
    "using",
    "variant_label",
]
