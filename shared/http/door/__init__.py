"""The door of an HTTP service: who may connect, how long a request may take to come, how large its head may be.

In the protocol layer, before a request is one: no application sees what is refused here. The engine, which imports
nothing of ours, has the same files; a test holds them equal."""
