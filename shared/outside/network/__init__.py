"""The way to the outside: proxies, trusted certificates, and the clients that obey them. Knows nobody's protocol."""
