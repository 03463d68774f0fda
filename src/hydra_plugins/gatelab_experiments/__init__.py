"""Hydra finds the experiments in experiments/, each by the path of its folder."""
