"""The door of the engine's server: who may connect, how long a request may take to come, how large its head may be.

The files of `shared/http/door`, which the engine may not import; a test holds them equal."""
