"""The event types of samples, as docs/reference/providers.md and `postrider trigger --list` tell them, are true."""

import pytest

from app.receiving.contract import Event
from app.receiving.naming import event_type_of
from app.receiving.registry import all_providers
from app.receiving.sample_types import sample_types
from app.receiving.samples import names_of
from tests.receiving import messaging_trials, payments_trials, test_clouds, test_pubsub, test_sns
from tests.receiving.mutations import Trial

# Those of who sign with a private key among them, whom the server's own tests cannot have sent.
TRIALS = [
    trial
    for module in (messaging_trials, payments_trials, test_clouds, test_pubsub, test_sns)
    for trial in module.TRIALS
    if trial.event in names_of(trial.provider) and trial.body is None
]


def test_who_signs_with_a_private_key_is_tried() -> None:
    tried = {trial.provider for trial in TRIALS}
    assert tried >= {"aws-sns", "discord", "google-pubsub", "orum-io", "paypal", "plaid", "sendgrid", "telnyx"}


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: f"{trial.provider}-{trial.event}-{trial.label}")
def test_the_event_type_of_a_sample_is_what_its_rule_makes_of_it(trial: Trial) -> None:
    verdict = trial.judged(trial.signed())
    assert isinstance(verdict, Event), verdict
    assert sample_types(trial.rule)[trial.event] == event_type_of(trial.rule, verdict)


def test_names_that_cannot_be_guessed_are_told() -> None:
    def types(name: str) -> dict[str, str | None]:
        return sample_types(all_providers()[name])

    assert types("shopify")["orders.create"] == "shopify.orders_create"
    assert types("airtable") == {"notification": "airtable"}
    assert set(types("hmac").values()) == {"webhook"}
    assert types("aws-sns")["SubscriptionConfirmation"] is None
    assert types("brex") == {}
