"""Health: whether this process can do its work, for load balancers and supervisors. Needs no token."""
