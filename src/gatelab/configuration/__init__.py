"""conf/ composed, checked and turned into the configuration of a run."""

from gatelab.configuration.compose import added_directories, composed, plain, quote_equations, translated
from gatelab.configuration.run import RunConfiguration, run_configuration

__all__ = [
    "RunConfiguration",
    "added_directories",
    "composed",
    "plain",
    "quote_equations",
    "run_configuration",
    "translated",
]
