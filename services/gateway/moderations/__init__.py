"""`/v1/moderations`: what a provider that moderates says of texts. Nothing is judged here."""
