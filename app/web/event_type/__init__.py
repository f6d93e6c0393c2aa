"""Event type pages: the catalogue of what is published, with schemas and examples; the dashboard's change it, too."""
