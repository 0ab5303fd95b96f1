"""The reading side of streams and of job events: how gateway and streaming follow what workers write."""
