"""Tasks that predict which notes sound next."""
