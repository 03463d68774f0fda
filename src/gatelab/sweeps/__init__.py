"""Sweeps: planned as a whole, trained in stacks by an executor that survives failing runs."""

from gatelab.store import Failure
from gatelab.store.stopping import Interrupted
from gatelab.sweeps.execute import execute, missing
from gatelab.sweeps.launcher_options import ExecutorOptions
from gatelab.sweeps.plan import Plan, plan

__all__ = ["ExecutorOptions", "Failure", "Interrupted", "Plan", "execute", "missing", "plan"]
