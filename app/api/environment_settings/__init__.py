"""Environment settings: what holds for all of an organization, and how its portal looks."""
