"""Whether a tuned model pays: its costs from the books, its calls' prices, the break-even."""
