"""What Schemathesis asks of each answer beside its own checks; loaded by it, not by pytest."""

import re
from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext, HookContext
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Why requests are refused that agree with the document: JSON Schema has no words for these reasons.
WORDLESS: Final = re.compile(
    r"(?i:\burl\b)|^port \d+ belongs"
    r"|The iterator is not one"
    r"|uids are not allowed to have the same prefix as the ID"
    r"|metadata must be at most 4096 bytes"
    r"|the header '?[^ ]+'? is (not allowed|given twice|a credential)|all headers of a message together"
    r"|deliverAt must be at least|payloadRetentionPeriod and payloadRetentionHours exclude"
    r"|The following event types don't exist"
    r"|Application uid must be"
    r"|the signing secret must"
    r"|certificate|PEM|private key"
    r"|among the extra parameters|a user name must not hold a colon|control characters"
    r"|event types are up to 256|channels are up to 128"
    r"|These scopes name no operation"
    r"|either as `spec` or as `specRaw`"
    r"|neither JSON nor YAML|the document (must be|has no webhooks)|^line \d+|a second document begins"
    r"|(the webhook|the operation|its schema|the media type|^it) must be an object|it has no operation"
    r"|the name of an event type"
    r"|is not in the document|its (schema|description) must not hold NUL|x-svix-|it has more than \d+ parts"
    r"|'since' must not be later than 'until'|None of these names an application"
    r"|There is no such application: name one"
)
# Where Allow names GET, truly: it looks for the message with that name.
ALSO_NAMES: Final = re.compile(r"/msg/(search|bulk-expunge|expunge-all-contents)$")
WORDLESS_CODES: Final = frozenset({"invalid_range", "limit_reached", "missing_payload"})


def _is_wordless(violation: dict[str, Any]) -> bool:
    # Each type of source has a config of its own.
    return violation["loc"][:2] == ["body", "config"] or WORDLESS.search(violation["msg"]) is not None


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Whether a request is to be sent."""
    return case.method.upper() != "OPTIONS" or ALSO_NAMES.search(case.path) is None


@schemathesis.check
def what_agrees_with_the_document_is_accepted(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """In place of `positive_data_acceptance`, which knows no reasons."""
    if response.status_code == 422 and all(_is_wordless(found) for found in response.json()["detail"]):
        return None
    if response.status_code == 400:
        problem = response.json()
        if problem["code"] in WORDLESS_CODES or WORDLESS.search(problem["detail"]):
            return None
    accepted: bool | None = positive_data_acceptance(ctx, response, case)
    return accepted
