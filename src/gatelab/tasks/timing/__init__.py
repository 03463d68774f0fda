"""Tasks whose answer is a time: measure it, wait for it, go on with a period."""
