"""What `openai tools fine_tunes.prepare_data` (0.27.4) did: same checks, fixes, texts and rows, without its bugs."""
