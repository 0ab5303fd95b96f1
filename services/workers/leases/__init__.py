"""Who holds a row, for every job kind: claimed under a lease, kept while the work lasts, handed back, or lost."""
