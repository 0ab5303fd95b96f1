"""What a fine-tuning job will take, before it is made."""
