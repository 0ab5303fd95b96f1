"""What two services must agree on: messages, stream frames, recipes, votes. Pure: no store, no network."""
