"""Rows in batches, and the forms that training lines take. Knows no finding."""
