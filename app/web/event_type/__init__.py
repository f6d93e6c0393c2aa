"""Event type pages: the catalogue of what is published, with schemas and examples; in the dashboard also to change it."""
