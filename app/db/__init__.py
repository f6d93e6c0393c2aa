"""The tables: rows, and all the SQL about them. One folder for each entity; the only place that knows SQL."""
