"""Papers asked again: an experiment's folder, the paper's numbers and statements, and what our runs say to each."""

from gatelab.papers.checks import CHECKS
from gatelab.papers.comparison import PaperComparison, compare_with_paper
from gatelab.papers.folder import PAPER, Experiment, experiment_names, experiments_named, load_experiment
from gatelab.papers.overview import overview_page, overview_table, write_overview
from gatelab.papers.profile_points import grid
from gatelab.papers.results_folder import said_of, stored_results, write_results
from gatelab.papers.trials import Trials, read_trials
from gatelab.papers.verdicts import Verdict

__all__ = [
    "CHECKS",
    "PAPER",
    "Experiment",
    "PaperComparison",
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
    "said_of",
    "stored_results",
    "write_overview",
    "write_results",
]
