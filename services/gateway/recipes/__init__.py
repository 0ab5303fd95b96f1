"""`/v1/recipes`: what to write."""
