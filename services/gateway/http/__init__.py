"""What every resource of the gateway shares: keyed routes, request bodies, errors, idempotency, event streams."""
