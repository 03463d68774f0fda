"""Tasks of formal languages and automata: classify a string, change it, or say which symbols may follow."""
