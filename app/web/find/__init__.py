"""Find page of the dashboard: from any id, uid or event id to the page of what it names."""
