"""What gates do: numbers read off a network while it runs over data, and how they are stored (no torch there)."""
