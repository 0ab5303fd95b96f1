"""What the workers of a cluster share about the providers that they call."""
