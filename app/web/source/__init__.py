"""Source pages of the dashboard: URLs for providers, what arrived at them, and what was rejected."""
