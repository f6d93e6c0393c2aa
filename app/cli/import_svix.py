"""`postrider import svix`: what can be asked for. What it does is in app/svix_import."""

from datetime import datetime
from typing import Annotated, Final

import typer

from app.cli.verify import parse_since

IMPORT_EXIT_CODES: Final = (
    "Exit codes: 0 everything is here that should be; 1 something is not, and is named; 2 wrong usage; 75 a database "
    "is away, try again later; 78 wrong setting, address or main secret; 130 Ctrl-C (run it again, and it goes on)."
)


def svix(
    dsn: Annotated[
        str,
        typer.Option(
            envvar="POSTRIDER_IMPORT_DSN",
            show_envvar=True,
            help="The Svix server's Postgres, postgresql://user:password@host/database?sslmode=…; it is only read.",
        ),
    ],
    main_secret: Annotated[
        str | None,
        typer.Option(
            envvar="POSTRIDER_IMPORT_MAIN_SECRET",
            show_envvar=True,
            help="SVIX_MAIN_SECRET of that server, if it has one.",
        ),
    ] = None,
    organization: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this organization (org_…). Default: all.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_since,
            metavar="SPAN|TIME",
            help="Messages published since then: 12h, 30d, or ISO 8601. Default: as far back as Postrider keeps them.",
        ),
    ] = None,
    messages: Annotated[bool, typer.Option(help="Bring messages, attempts and the states of deliveries, too.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, decrypt and compare everything; write nothing.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what was changed in Postrider since it was imported.")
    ] = False,
    deliver_pending: Annotated[
        bool,
        typer.Option(
            "--deliver-pending",
            help="Deliver what Svix had not delivered yet. Stop the Svix server first: else both deliver it.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Import a Svix server's database: organizations, applications, endpoints, event types, messages, attempts.

    Ids, secrets and times stay as they are. It may be broken off and run again at any time: it goes on, and later runs
    bring what is new or changed in Svix since. What Svix had not delivered is imported as failed, so that nothing is
    sent twice; recover brings it. Needs POSTRIDER_DB_DSN and POSTRIDER_MAIN_SECRET, or a `postrider up` that runs from
    POSTRIDER_DATA_DIR.
    """
    from app.cli.import_report import import_and_report
    from app.svix_import.run import Wish

    wish = Wish(
        dsn=dsn,
        main_secret=main_secret,
        organization=organization,
        since=since,
        messages=messages,
        dry_run=dry_run,
        overwrite=overwrite,
        deliver_pending=deliver_pending,
    )
    raise typer.Exit(import_and_report(wish, as_json=as_json))
