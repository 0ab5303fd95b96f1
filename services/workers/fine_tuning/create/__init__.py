"""Step `create`: one job at the provider, whatever crashes."""
