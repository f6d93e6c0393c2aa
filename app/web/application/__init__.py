"""Application pages of the dashboard: the customers of the organization, and what holds for each of them."""
