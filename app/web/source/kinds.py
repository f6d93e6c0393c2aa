"""The kinds of sources for people who look for one: by what the providers do. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.api.source.configs import fields_of, kinds
from app.receiving.contract import Field
from app.receiving.registry import all_providers

_OTHERS: Final = "Others"
_GROUPS: Final = {
    "Any sender": "standard-webhooks hmac jwt basic api-key generic-webhook cron",
    "Payments and finance": "adyen airwallex braintree brex checkbook lithic orum-io paddle paypal plaid pleo psi-fi"
    " sardine square stripe vgs",
    "Shops and logistics": "bigcommerce easypost guesty nash rutter shopify woocommerce",
    "Messages, mail and calls": "beehiiv discord line mailgun meta postmark resend sendgrid slack telegram telnyx"
    " twilio twitter vapi zoom",
    "Code and operations": "aws-sns bitbucket github gitlab google-pubsub incident-io linear pagerduty port-io render"
    " sentry svix tailscale vercel",
    "Work, customers and documents": "adobe-sign airtable asana calendly docusign dropbox hubspot intercom jira"
    " microsoft-graph notion panda-doc salesforce segment typeform zendesk",
    "Identity and trust": "auth0 clerk okta safebase stych veriff",
    "Artificial intelligence and integration": "nango open-ai openclaw replicate",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source as pages show it; the texts are the provider's rule's."""

    name: str
    title: str
    fields: tuple[Field, ...]
    setup: str | None = None
    documentation: str | None = None
    proof: str | None = None
    handshake: str | None = None


def find_kind(name: str) -> Kind | None:
    """None if there is no such kind."""
    if name not in kinds():
        return None
    provider = all_providers().get(name)
    if provider is None:
        setup = "Nothing is posted to it: it makes a message at each of the times that its schedule says."
        return Kind(name, "Schedule", tuple(fields_of(name)), setup)
    return Kind(
        name,
        provider.title,
        provider.fields,
        provider.setup and plain(provider.setup),
        provider.documentation,
        plain(f"{provider.header}: {provider.algorithm}"),
        provider.handshake and plain(provider.handshake),
    )


def groups(search: str = "") -> Iterator[tuple[str, list[Kind]]]:
    """All kinds in whose name or title the text stands, by group, and in it by title; groups of none are left out."""
    group_of = {name: group for group, names in _GROUPS.items() for name in names.split()}
    wanted = [kind for name in kinds() if (kind := find_kind(name)) and _matches(kind, search.lower())]
    for group in (*_GROUPS, _OTHERS):
        found = [kind for kind in wanted if group_of.get(kind.name, _OTHERS) == group]
        if found:
            yield group, sorted(found, key=lambda kind: kind.title.lower())


def _matches(kind: Kind, search: str) -> bool:
    return search in kind.name or search in kind.title.lower()


def plain(text: str) -> str:
    """Without the marks of the Markdown for which it was written."""
    return text.replace("`", "")
