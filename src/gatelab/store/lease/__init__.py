"""Leases: only one process at a time may train a run; its claim ends with the process."""
