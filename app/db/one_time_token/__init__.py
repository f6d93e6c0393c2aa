"""One-time token: what stands in a link to a portal, good for one exchange into the portal's token."""
