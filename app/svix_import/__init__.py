"""The import from Svix: its server's database read once or again, and what it holds brought into ours, ids and all."""
