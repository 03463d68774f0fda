"""Sweeps: planned as a whole, trained in stacks."""

from gatelab.sweeps.execute import execute
from gatelab.sweeps.plan import Plan, plan

__all__ = ["Plan", "execute", "plan"]
