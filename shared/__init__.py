"""What two services use and nothing else: contracts, and adapters to stores and the outside. Imports no service."""
