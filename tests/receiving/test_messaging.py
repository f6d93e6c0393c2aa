"""Slack, Twilio, SendGrid, … : what is rejected, and how their samples are named and recognized."""

from typing import Final

import pytest

from app.receiving.contract import Event
from app.receiving.naming import event_type_of
from tests.receiving.messaging_trials import TRIALS, trial_of
from tests.receiving.mutations import NOW, SAMPLES, Trial, gaps, table, try_out

# What each sample's event is called, and by what it is recognized.
SAMPLED: Final = (
    ("slack", "app_mention", "slack.app_mention", "Ev0PV52K25"),
    ("slack", "command", "slack.command", "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"),
    ("twilio", "message.delivered", "twilio.message.delivered", "the token"),
    ("twilio", "call.completed", "twilio.call.completed", "the token"),
    (
        "twilio",
        "com.twilio.messaging.message.delivered",
        "twilio.com.twilio.messaging.message.delivered",
        "EZ24b1f3c9d0e84a7fa6b5c4d3e2f1a0b9",
    ),
    ("sendgrid", "delivered", "sendgrid.delivered", "cmVjZWlwdHMtMTc5NDk5OTk5MA,cmVjZWlwdHMtMTc5NDk5OTk5MB"),
    ("sendgrid", "bounce", "sendgrid.bounce", "cmVjZWlwdHMtMTc5NDk5OTk5MC"),
    ("mailgun", "delivered", "mailgun.delivered", "the token"),
    ("mailgun", "failed", "mailgun.failed", "the token"),
    ("postmark", "Delivery", "postmark.Delivery", "the token"),
    ("postmark", "Bounce", "postmark.Bounce", "the token"),
    ("postmark", "Inbound", "postmark.Inbound", "the token"),
    ("zoom", "meeting.started", "zoom.meeting.started", "the digest"),
    ("zoom", "recording.completed", "zoom.recording.completed", "the digest"),
    ("discord", "APPLICATION_AUTHORIZED", "discord.APPLICATION_AUTHORIZED", "the digest"),
    ("discord", "ENTITLEMENT_CREATE", "discord.ENTITLEMENT_CREATE", "the digest"),
    (
        "meta",
        "whatsapp_business_account.messages",
        "meta.whatsapp_business_account.messages",
        "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=",
    ),
    (
        "meta",
        "page.messaging",
        "meta.page.messaging",
        "m_AG5Hz2Uq7tuwNEhXfYYKj8mJEM_QPpz5jdCK48PnKAjSdjfipqxqMvK8ma6AC8fplwlqLP_5cgXIbu7I3rBN0P",
    ),
    ("twitter", "tweet_create_events", "twitter.tweet_create_events", None),
    ("twitter", "profile.update.bio", "twitter.profile.update.bio", None),
    ("telegram", "message", "telegram.message", "884216703"),
    ("telegram", "callback_query", "telegram.callback_query", "884216704"),
    ("line", "message", "line.message", "01KAMD0QGZ4RX9T2V7B8C5N6M1"),
    ("line", "follow", "line.follow", "01KAMD0RC3W7Y5E8H2J4K6P9Q0"),
    (
        "hubspot",
        "contact.creation",
        "hubspot.contact.creation",
        "24115-3001000-1246965-1794999990000-,24115-3001001-1246966-1794999990001-",
    ),
    (
        "hubspot",
        "deal.propertyChange",
        "hubspot.deal.propertyChange",
        "24115-3001002-1246967-1794999990002-dealstage",
    ),
    ("typeform", "form_response", "typeform.form_response", "01KAMCZ8Q4T6V2X9B3N5M7P1R0"),
    ("calendly", "invitee.created", "calendly.invitee.created", "invitee.created.https://api.calendly.com/…"),
    ("calendly", "invitee.canceled", "calendly.invitee.canceled", "invitee.canceled.https://api.calendly.com/…"),
    ("openclaw", "finished", "openclaw.finished", None),
    ("nango", "auth", "nango.auth", None),
    ("nango", "sync", "nango.sync", None),
    ("vapi", "end-of-call-report", "vapi.end-of-call-report", None),
    ("vapi", "status-update", "vapi.status-update", None),
    (
        "veriff",
        "decision.approved",
        "veriff.decision.approved",
        "00bca969-b53a-4fad-b065-874d41a7b2b8.9001.2026-11-21T09:31:12.000000Z",
    ),
    ("veriff", "submitted", "veriff.submitted", "00bca969-b53a-4fad-b065-874d41a7b2b8.7002.submitted"),
)


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_provider_signed_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_no_mutation_is_left_out_without_a_reason() -> None:
    assert gaps(TRIALS) == []


@pytest.mark.parametrize(("provider", "event", "name", "known"), SAMPLED, ids=[f"{row[0]}-{row[1]}" for row in SAMPLED])
def test_a_sample_is_named_and_recognized_when_it_comes_again(
    provider: str, event: str, name: str, known: str | None
) -> None:
    trial = trial_of(provider, event)
    first, again = (trial.judged(trial.signed(at=NOW + later)) for later in (0, 60))
    assert isinstance(first, Event)
    assert event_type_of(trial.rule, first) == name
    if known is None:
        assert first.delivery_id is None
        assert trial.rule.dedupe is None
        return
    assert first.delivery_id is not None
    assert first == again
    if not known.startswith("the "):
        assert first.delivery_id.startswith(known.rstrip("…"))


def test_each_sample_is_tried() -> None:
    ours = {trial.provider for trial in TRIALS}
    there = {path.name.rpartition(".")[0] for path in SAMPLES.iterdir() if path.name.split(".")[0] in ours}
    assert there == {f"{provider}.{event}" for provider, event, *_ in SAMPLED}
