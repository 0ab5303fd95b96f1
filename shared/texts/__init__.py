"""What can be said of a text without a model or a network: its tokens by public encodings, how it ends."""
