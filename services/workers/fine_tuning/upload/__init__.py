"""Step `upload`: the files checked before anybody is paid, and brought to the provider."""
