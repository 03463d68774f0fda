"""Papers asked again: an experiment's folder, the paper's numbers and statements, and what our runs say to each."""

from gatelab.experiments.checks import CHECKS
from gatelab.experiments.comparison import Comparison, compare_with_paper
from gatelab.experiments.folder import PAPER, Experiment, experiment_names, experiments_named, load_experiment
from gatelab.experiments.overview import overview_page, overview_table, write_overview
from gatelab.experiments.points import grid
from gatelab.experiments.results import SCALED_DOWN, stored_results, write_results
from gatelab.experiments.trials import Trials, read_trials
from gatelab.experiments.verdicts import Verdict

__all__ = [
    "CHECKS",
    "PAPER",
    "SCALED_DOWN",
    "Comparison",
    "Experiment",
    "Trials",
    "Verdict",
    "compare_with_paper",
    "experiment_names",
    "experiments_named",
    "grid",
    "load_experiment",
    "overview_page",
    "overview_table",
    "read_trials",
    "stored_results",
    "write_overview",
    "write_results",
]
