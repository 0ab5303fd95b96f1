"""Checks beyond the public tool: each finding names its rows, its reason and, where there is one, its fix."""
