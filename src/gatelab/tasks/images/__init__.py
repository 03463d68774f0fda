"""Tasks that read a picture pixel by pixel or row by row."""
