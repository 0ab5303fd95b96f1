"""The OpenAI protocol as a client: who can be asked, the wire, failure classes."""
