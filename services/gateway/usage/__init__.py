"""`/v1/usage`: tokens and cost from the ledger."""
