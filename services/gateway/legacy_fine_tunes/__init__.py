"""The fine-tunes of 2023: the same jobs in the words of their time."""
