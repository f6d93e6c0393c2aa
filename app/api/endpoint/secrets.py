"""The rules of signing secrets: which one is current, and for how long earlier ones go on signing."""

from collections.abc import Sequence
from typing import Final

from app.db.endpoint.model import LiveSecret
from app.errors import BadRequest

MOST_OLD_SECRETS: Final = 10
LONGEST_GRACE_SECONDS: Final = 7 * 86400
GRACE_SECONDS: Final = 86400


def rotated(secrets: Sequence[LiveSecret], key: str, grace_seconds: int, now: int) -> list[LiveSecret]:
    """The secrets after a rotation at unix second `now`: the new one, then the earlier ones that still sign.

    BadRequest (`limit_reached`) if more than MOST_OLD_SECRETS would go on signing: each of them makes every delivery
    longer and slower.
    """
    earlier = [
        LiveSecret(old.key, now + grace_seconds if old.expires_at is None else old.expires_at) for old in secrets
    ]
    live = [old for old in earlier if old.is_live(now) and old.key != key]
    if len(live) > MOST_OLD_SECRETS:
        raise BadRequest(
            f"At most {MOST_OLD_SECRETS} earlier secrets can be live at a time. Wait until one expires, or rotate with "
            "a gracePeriodSeconds of 0, which ends the current one at once.",
            code="limit_reached",
        )
    return [LiveSecret(key, None), *live]
