"""How our HTTP services answer: JSON, errors, server-sent events, health. Knows no route and no resource."""
