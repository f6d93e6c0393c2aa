"""The worker process: Celery carries doorbells and chores, one event loop in it delivers."""
