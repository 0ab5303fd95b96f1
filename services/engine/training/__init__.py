"""Fine-tuning: examples in, adapter out. Runs in a process of its own; knows no HTTP."""
