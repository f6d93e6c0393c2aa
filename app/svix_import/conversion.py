"""From a row of Svix's to a row of ours, without a look at either database. What cannot be kept gives a warning."""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from app.api.endpoint import headers as header_rules
from app.db.endpoint.model import LiveSecret, seal_headers, seal_secrets
from app.db.shard.model import shard_of
from app.delivery.addresses import Network, is_permitted
from app.delivery.signing import SigningKey
from app.delivery.url import parse_url
from app.sealing import Sealer
from app.svix_import.encryption import Keyring, KeyUnreadable
from app.svix_import.source import MANAGEMENT

# A row of ours by column, and a digest of what it was made from.
Row = dict[str, object]

_OPERATIONAL_NAME: Final = "Operational webhooks"
_LARGEST_RATE: Final = 2**16 - 1


@dataclass(frozen=True)
class Conversion:
    """What rows are made with. `warn` is told what will not be as it was."""

    keyring: Keyring
    sealer: Sealer
    digest_key: bytes = field(repr=False)
    allowed_networks: Sequence[Network]
    https_only: bool
    now: datetime
    warn: Callable[[str], None]

    def event_type(self, row: DictRow) -> Row:
        """A row of `event_types`."""
        flag = row["feature_flag"]
        return self._digested(
            {
                "id": row["id"],
                "organization_id": row["org_id"],
                "name": row["name"],
                "description": row["description"],
                "schemas": self._schemas(row),
                "feature_flags": [flag] if flag else None,
                "deprecated": row["deprecated"],
                "archived": row["deleted"],
                **_times(row),
            }
        )

    def application(self, row: DictRow) -> Row:
        """A row of `applications`."""
        is_operational = row["org_id"] == MANAGEMENT
        return self._digested(
            {
                "id": row["id"],
                "organization_id": row["uid"] if is_operational else row["org_id"],
                "uid": None if is_operational else row["uid"],
                "name": _OPERATIONAL_NAME if is_operational else row["name"],
                "rate_limit": self._rate(row),
                "metadata": self._metadata(row),
                "operational": is_operational,
                "deleted_at": row["updated_at"] if row["deleted"] else None,
                **_times(row),
            }
        )

    def endpoint(self, row: DictRow, application_id: str) -> Row:
        """A row of `endpoints`. KeyUnreadable if it could not sign."""
        secrets = self._secrets(row)
        headers = self._headers(row)
        if not (row["deleted"] or row["disabled"]):
            self._judge(row["id"], row["url"])
        plain = {
            "id": row["id"],
            "organization_id": row["app_uid"] if row["org_id"] == MANAGEMENT else row["org_id"],
            "application_id": application_id,
            "uid": row["uid"],
            "url": row["url"],
            "description": row["description"],
            "version": max(1, row["version"]),
            "rate_limit": self._rate(row),
            "event_types": _listed(row["event_types_ids"]),
            "channels": _listed(row["channels"]),
            "metadata": self._metadata(row),
            "disabled": row["disabled"],
            "disabled_reason": _why_disabled(row),
            "shard": shard_of(row["id"]),
            "deleted_at": row["updated_at"] if row["deleted"] else None,
            **_times(row),
        }
        digested = self._digested(plain, [headers, [(secret.key, secret.expires_at) for secret in secrets]])
        return digested | {
            "secrets": seal_secrets(self.sealer, row["id"], secrets),
            "headers": seal_headers(self.sealer, row["id"], headers),
        }

    def _digested(self, row: Row, sealed: object = None) -> Row:
        """With a digest that tells nothing to whoever has not our main secret."""
        said = json.dumps([row, sealed], default=str, sort_keys=True).encode()
        return {
            **{name: Jsonb(value) if isinstance(value, dict) else value for name, value in row.items()},
            "digest": hmac.digest(self.digest_key, said, "sha256"),
        }

    def _secrets(self, row: DictRow) -> list[LiveSecret]:
        try:
            secrets = [LiveSecret(SigningKey.parse(self.keyring.text_of(bytes(row["key"]))).text, None)]
        except ValueError as error:
            raise KeyUnreadable(f"its signing key cannot be used: {error}") from None
        for old in row["old_keys"] or ():
            expires_at = datetime.fromisoformat(old["expiration"])
            if expires_at <= self.now:
                continue
            try:
                text = SigningKey.parse(self.keyring.text_of_old(old["signingKey"])).text
            except (KeyUnreadable, ValueError) as error:
                self.warn(f"{row['id']}: an earlier signing key that still signs is left out ({error})")
            else:
                secrets.insert(1, LiveSecret(text, int(expires_at.timestamp())))
        return secrets

    def _headers(self, row: DictRow) -> dict[str, str]:
        """Those that may be sent. Values are not repeated in warnings."""
        kept: dict[str, str] = {}
        for name, value in (row["headers"] or {}).items():
            try:
                header_rules.check_names([*kept, name])
                header_rules.check_value(name, value)
                header_rules.check_total({**kept, name: value})
            except ValueError as error:
                self.warn(f"{row['id']}: a header is left out ({error})")
            else:
                kept[name] = value
        return kept

    def _rate(self, row: DictRow) -> int | None:
        limit: int | None = row["rate_limit"]
        if limit is None or 0 < limit <= _LARGEST_RATE:
            return limit
        self.warn(f"{row['id']}: its rate limit of {limit} is left out, because it is none")
        return None

    def _schemas(self, row: DictRow) -> object:
        schemas: object = row["schemas"]
        # jsonb, unlike the json that it comes from, cannot hold it.
        if "\\u0000" not in json.dumps(schemas):
            return schemas
        self.warn(f"{row['id']}: its schemas are left out, because they hold NUL characters")
        return None

    def _metadata(self, row: DictRow) -> dict[str, str]:
        metadata: Mapping[str, object] = row["metadata"] or {}
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}

    def _judge(self, endpoint_id: str, url: str) -> None:
        """Warn of a URL that nothing will be sent to. Names are judged when they are dialled."""
        try:
            target = parse_url(url)
        except ValueError as error:
            self.warn(f"{endpoint_id}: nothing will be sent to it: {error}")
            return
        if self.https_only and target.scheme != "https":
            self.warn(f"{endpoint_id}: nothing will be sent to it: this installation sends to https URLs only")
        try:
            address = ip_address("127.0.0.1" if target.host == "localhost" else target.host)
        except ValueError:
            return
        if not is_permitted(address, self.allowed_networks):
            self.warn(
                f"{endpoint_id}: nothing will be sent to {target.host}, which is not public: "
                "see POSTRIDER_WHITELIST_SUBNETS"
            )


def _times(row: DictRow) -> Row:
    return {"created_at": row["created_at"], "updated_at": row["updated_at"]}


def _listed(value: object) -> list[str] | None:
    """An empty list means everything, as none does."""
    return list(dict.fromkeys(str(each) for each in value)) or None if isinstance(value, list) else None


def _why_disabled(row: DictRow) -> str | None:
    since = row["first_failure_at"]
    if not row["disabled"] or since is None:
        return None
    return f"disabled by Svix, before the import: it had been failing since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
