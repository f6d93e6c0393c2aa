"""API token: a random text that stands for its organization, with scopes, until it is expired."""
