"""The diagnostics, a module for each; their functions are names of :mod:`gatelab.probes`."""
