"""The page of one run: drawings of what its gates do, beside those of its untrained twin (docs/probes.md)."""
