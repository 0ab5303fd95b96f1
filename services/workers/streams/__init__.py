"""The writing side of streams: only workers write them."""
