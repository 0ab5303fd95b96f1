"""What every resource of the gateway shares: keyed routes, request bodies, idempotency, answers of events."""
