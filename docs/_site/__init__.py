"""What Sphinx needs besides the pages: the menu, equations, drawings, colours of code."""
