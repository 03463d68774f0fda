"""Tasks whose answer is a time: measure it, wait for it, continue a period."""
