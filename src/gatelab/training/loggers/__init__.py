"""The history of a run sent to loggers: Lightning's own and Weights & Biases."""
