"""The web console's pages, and the sessions of browsers that use it."""
