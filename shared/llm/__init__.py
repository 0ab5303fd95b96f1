"""The OpenAI protocol as a client: providers, the wire, failure classes."""
