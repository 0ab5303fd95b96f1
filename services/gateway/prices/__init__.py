"""What models cost: the price book over HTTP."""
