"""Changes to rows, as plans that can be previewed, stored and left out again."""
