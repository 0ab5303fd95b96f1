"""Recipes: templates, grids and row keys, without database or network."""
