"""Recipes as arithmetic and text: templates, grids, row keys. Knows no database and no model."""
