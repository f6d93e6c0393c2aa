"""A whole import: checks first, then what changes now and then, then history."""

import getpass
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from app import clock, ids, weeks
from app.sealing import Sealer
from app.settings import Settings
from app.svix_import.connection import Connection, Refused, Unreachable, connected, losses_explained, run
from app.svix_import.control import ControlPlane
from app.svix_import.conversion import Conversion
from app.svix_import.encryption import Keyring, KeyUnreadable, MainSecretNeeded
from app.svix_import.history import History
from app.svix_import.passes import BEGINNING, Passes
from app.svix_import.source import NAME, Source, look_at
from app.svix_import.staging import make_tables
from app.svix_import.tally import Report

_OURS: Final = "Postrider's database"
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('postrider.import_svix')) AS locked"
_AUDIT: Final = """
INSERT INTO audit_entries (id, organization_id, actor_kind, actor_id, operation, changes)
SELECT %(id)s, o.id, 'operator', %(login)s, 'cli.import.svix',
       jsonb_build_array(jsonb_build_object('entity', 'import', 'id', NULL, 'fields', jsonb_build_object(
           'source', jsonb_build_object('after', %(source)s::text))))
FROM organizations o WHERE o.id = %(organization)s
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be imported from where; `since` None: as far back as Postrider keeps history."""

    dsn: str = field(repr=False)
    main_secret: str | None = field(default=None, repr=False)
    organization: str | None = None
    since: datetime | None = None
    messages: bool = True
    dry_run: bool = False
    overwrite: bool = False
    deliver_pending: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Our database, and the main secrets that it is sealed with."""

    dsn: str = field(repr=False)
    main_secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """What was just done, and the share of it that is, as far as that can be said."""

    name: str
    share: float | None = None


class WrongMainSecret(Refused):
    """The source's signing keys do not open with the main secret that is given."""


def import_svix(wish: Wish, settings: Settings, ours: Target, report: Report) -> Generator[Step, None, None]:
    """Import, counting into a report; what was just done, step by step. Unreachable or Refused if it cannot go on."""
    keyring = Keyring(wish.main_secret)
    with (
        losses_explained(),
        connected(wish.dsn, NAME, read_only=True) as reading,
        connected(ours.dsn, _OURS, read_only=False) as target,
        connected(ours.dsn, _OURS, read_only=False) as maker,
    ):
        source = look_at(reading, wish.organization)
        _require_main_secret(source, keyring)
        _require_lock(target)
        make_tables(target)
        # From here on a dry run can write nothing but those.
        target.read_only = maker.read_only = wish.dry_run
        conversion = Conversion(
            keyring=keyring,
            sealer=Sealer(ours.main_secrets),
            digest_key=ours.main_secrets[0].encode(),
            allowed_networks=settings.allowed_networks,
            https_only=settings.endpoint_https_only,
            now=clock.now(),
            warn=report.warnings.add,
        )
        since = _since(wish, settings)
        yield from _control(ControlPlane(source, target, conversion, report, overwrite=wish.overwrite), wish, since)
        if wish.messages:
            history = History(source, target, report, deliver_pending=wish.deliver_pending)
            for reached in Passes(source, target, maker, history, since).run():
                yield Step("history", reached.share)
        if not wish.dry_run:
            _tell(target, source, report)


def _control(control: ControlPlane, wish: Wish, since: datetime) -> Iterator[Step]:
    """Without history, what was deleted is needed by nothing."""
    wanted = since if wish.messages else clock.now() + timedelta(days=365)
    for _ in control.run(ids.floor_id("msg", wanted), ids.floor_id("atmpt", wanted)):
        yield Step("event types, applications, endpoints")


def _since(wish: Wish, settings: Settings) -> datetime:
    """From when on history is wanted: what is older would be dropped at once."""
    kept = BEGINNING
    if settings.retention_days:
        kept = weeks.beginning(weeks.week_of(clock.now() - timedelta(days=settings.retention_days)))
    return max(kept, wish.since or BEGINNING)


def _require_main_secret(source: Source, keyring: Keyring) -> None:
    """WrongMainSecret if none of some encrypted keys opens: a server has one main secret, for good."""
    rows = source.encrypted_keys()
    for row in rows:
        try:
            keyring.text_of(bytes(row["key"]))
        except MainSecretNeeded as error:
            reason = str(error)
        except KeyUnreadable:
            return
        else:
            return
    if rows:
        raise WrongMainSecret(
            f"{rows[0]['id']}: {reason}. Give --main-secret what SVIX_MAIN_SECRET is set to at the Svix server; "
            "nothing was written"
        )


def _require_lock(target: Connection) -> None:
    """Unreachable while another import writes here. The lock ends with the connection."""
    row = run(target, _LOCK).fetchone()
    if row is None or not row["locked"]:
        raise Unreachable("another `postrider import svix` is writing to this database: wait until it has ended")


def _tell(target: Connection, source: Source, report: Report) -> None:
    """Say in the audit logs of the organizations that something was imported, if anything was."""
    if not any(tally.imported or tally.updated for tally in report.tallies.values()):
        return
    with target.transaction():
        for organization in report.organizations:
            values = {"id": ids.new_id("audit"), "organization": organization, "source": source.identity}
            run(target, _AUDIT, {**values, "login": getpass.getuser()})
