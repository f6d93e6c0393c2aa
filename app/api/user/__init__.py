"""User: a person of the organization who signs in to the dashboard, with a role."""
