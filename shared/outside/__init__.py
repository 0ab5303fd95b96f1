"""Who is not us: providers and their protocol, prices, targets of webhooks. Knows no store."""
