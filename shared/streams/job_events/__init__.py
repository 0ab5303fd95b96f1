"""A job's events as they come: for whoever shows them, over HTTP or a socket."""
