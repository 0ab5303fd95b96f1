"""An OpenAI-compatible model server that stands in for OpenAI: it generates and fine-tunes locally.

It knows nothing of the platform around it and imports none of it.
"""
