"""Hydra's sweeper ``optuna_search``: batches of trials of an Optuna study, trained as stacks."""
