"""One-time token: what stands in a link to a portal or to the dashboard, good for one exchange into a token."""
