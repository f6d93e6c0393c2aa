"""What an organization is run with: its users and tokens, its settings, what was changed and by whom."""
