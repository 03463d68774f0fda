"""Leases: of all processes that want to train a run, one does, and its claim ends with it."""
