"""Overview: how an organization, an application or an endpoint does, now and over time."""
