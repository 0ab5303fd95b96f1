"""`/v1/model_aliases`: a project's own names for models: promoted, tried on a share of the requests, rolled back."""
