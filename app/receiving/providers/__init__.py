"""One module for each provider, or family of providers that sign alike. `app/receiving/registry.py` finds them."""
