"""Tasks small enough to read, and to run through every test."""

TINY_CHORALES = {
    "train": [
        [[60, 64], [62], []],
        [[21, 108], [60], [61], [62], [63]],
        [[50], [51]],
        [[70, 72], [70, 72], [71]],
    ],
    "valid": [[[60], [], [60]], [[64], [65]]],
    "test": [[[60], [62], [64], [65], [67], [69], [71]]],
}

SMALL: dict[str, dict[str, object]] = {
    "adding": {"length": 7, "validation_size": 12, "test_size": 9},
    "copying": {"length": 4, "tokens": 9, "symbols": 7, "validation_size": 12, "test_size": 9},
    "digits": {},
}
"""What makes each task small, by its name."""
