"""`/v1/streams`: start a stream without waiting on it, look at it, cancel it; tickets for browsers."""
