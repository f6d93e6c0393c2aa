"""Beat's schedule: chores, each harmless to run twice or late. Due deliveries need none (worker/sweep.py)."""

from typing import Final

SCHEDULE: Final = {
    "prepare partitions": {"task": "postrider.prepare_partitions", "schedule": 3600.0, "options": {"expires": 3600}},
    "purge idempotency keys": {
        "task": "postrider.purge_idempotency_keys",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
}
