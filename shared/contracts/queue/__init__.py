"""The messages between gateway, workers and beat."""
