"""The border: where a provider's bytes become typed values of ours. Whatever the bytes are, what comes out is such a
value, storable as it is, or an LlmError of a failure class. Nothing else of ours reads a provider's bytes."""
