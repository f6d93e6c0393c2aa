"""What Schemathesis asks of each answer beside its own checks; loaded by it, not by pytest."""

import re
from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Why requests are refused that agree with the document: JSON Schema has no words for these reasons.
WORDLESS: Final = re.compile(
    r"(?i:\burl\b)|^port \d+ belongs"
    r"|The iterator is not one"
    r"|uids are not allowed to have the same prefix as the ID"
    r"|metadata must be at most 4096 bytes"
    r"|the header '.*' is (not allowed|given twice)"
    r"|The following event types don't exist"
    r"|Application uid must be"
    r"|the signing secret must"
    r"|certificate|PEM|private key"
    r"|among the extra parameters|a user name must not hold a colon|control characters"
    r"|event types are up to 256"
    r"|These scopes name no operation"
)
WORDLESS_CODES: Final = frozenset({"invalid_range", "limit_reached", "missing_payload"})


@schemathesis.check
def what_agrees_with_the_document_is_accepted(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """In place of `positive_data_acceptance`, which knows no reasons."""
    if response.status_code == 422 and all(WORDLESS.search(found["msg"]) for found in response.json()["detail"]):
        return None
    if response.status_code == 400 and response.json()["code"] in WORDLESS_CODES:
        return None
    accepted: bool | None = positive_data_acceptance(ctx, response, case)
    return accepted
