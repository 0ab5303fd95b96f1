"""`/v1/embeddings`: where texts stand among one another, by the engine or a provider that embeds."""
