"""The way in for a worker: an order as a JSON file, carried out in a process of its own."""
