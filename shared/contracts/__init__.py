"""What two services must agree on: messages, stream frames and events, recipes, votes, statuses, what can be stored.
Pure data and functions: no store, no network."""
