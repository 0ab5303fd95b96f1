"""Datasets: ordered, watched, read, exported. Workers prepare them."""
