"""A client of a running Storymill: REST and streams, for the command line. Knows only addresses and a key."""
