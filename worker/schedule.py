"""Beat's schedule: chores, each harmless to run twice or late. Due deliveries need none (worker/sweep.py)."""

from typing import Final

SCHEDULE: Final = {
    "prepare partitions": {"task": "postrider.prepare_partitions", "schedule": 3600.0, "options": {"expires": 3600}},
    "forget history": {"task": "postrider.forget_history", "schedule": 3600.0, "options": {"expires": 3600}},
    "forget payloads": {"task": "postrider.forget_payloads", "schedule": 3600.0, "options": {"expires": 3600}},
    "keep ledger": {"task": "postrider.keep_ledger", "schedule": 60.0, "options": {"expires": 60}},
    "keep rollups": {"task": "postrider.keep_rollups", "schedule": 20.0, "options": {"expires": 20}},
    "tell of attempts": {"task": "postrider.tell_of_attempts", "schedule": 10.0, "options": {"expires": 10}},
    "make scheduled messages": {
        "task": "postrider.make_scheduled_messages",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "release held": {"task": "postrider.release_held", "schedule": 5.0, "options": {"expires": 5}},
    "purge audit log": {"task": "postrider.purge_audit_log", "schedule": 3600.0, "options": {"expires": 3600}},
    "purge background tasks": {
        "task": "postrider.purge_background_tasks",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "purge source logs": {"task": "postrider.purge_source_logs", "schedule": 3600.0, "options": {"expires": 3600}},
    "purge idempotency keys": {
        "task": "postrider.purge_idempotency_keys",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
}
