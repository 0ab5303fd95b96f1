"""`/v1/generations`: runs of a recipe at volume."""
