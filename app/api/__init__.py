"""The REST API: one folder for each domain, HTTP in `points.py`, rules in `service.py`, shapes in `models.py`."""
