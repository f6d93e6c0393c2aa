"""User: a person who signs in to the dashboard by an email address, with a role."""
