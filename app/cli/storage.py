"""`postrider storage` and `postrider keep-payloads`: what can be asked for. What they do is in storage_report.py."""

from typing import Annotated

import typer

from app import ids


def storage(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show what is stored, what leaves when, and how large it gets at today's rate.

    Reads POSTRIDER_DB_DSN, or else the database of the `postrider up` that runs from POSTRIDER_DATA_DIR, and the
    payload store if there is one. Rows are estimates of Postgres.
    """
    from app.cli.storage_report import report

    report(as_json=as_json)


def keep_payloads(
    days: Annotated[
        str, typer.Argument(help="A number of days, from 1 on, or `always`: as long as their messages are kept.")
    ],
    organization: Annotated[
        str, typer.Option("--organization", envvar="ORG", help="The organization whose payloads these are.")
    ] = ids.DEFAULT_ORGANIZATION_ID,
) -> None:
    """Set how long an organization's payloads are kept, where the publisher of a message does not say.

    Goes for those that are there already, too. A payload of which something is still to be delivered stays until then.
    """
    from app.cli.storage_report import set_payload_days

    set_payload_days(organization or ids.DEFAULT_ORGANIZATION_ID, days)
