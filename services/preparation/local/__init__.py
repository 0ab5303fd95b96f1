"""The preparation of one file in a terminal, with no server running."""
