"""API keys, administered by whoever can reach the database: `python -m services.gateway.api_keys`."""
