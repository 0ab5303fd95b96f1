"""Contracts between two services, and the adapters to stores and the outside. Imports no service."""
