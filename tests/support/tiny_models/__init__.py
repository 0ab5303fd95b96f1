"""Random models of many families, two layers each, made by a script in a second and without a network.

`python -m tests.support.tiny_models FOLDER [FAMILY …]` writes them; tests call `build_family`.
"""
