"""Organization: the tenant that owns an API token."""
