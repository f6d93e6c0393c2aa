"""The tags of the OpenAPI document: the Svix API's, in the order of this list, and our own after them."""

from typing import Final

TAGS: Final = {
    "Application": "One customer of yours: it owns endpoints, and messages are published to it.",
    "Authentication": "Tokens: of the organization, of its customers' own users, and for special purposes.",
    "Background Task": "Work that takes longer than a request: how far it is, and what came of it.",
    "Broadcast": "One message to every application.",
    "Endpoint": "A URL that a customer registered, how it is spoken to, and what it has missed.",
    "Environment": "The organization: what it consists of, to be taken elsewhere.",
    "Environment-Settings": "What holds for the whole organization.",
    "Event Type": "A named kind of message, with the JSON Schema of its payload.",
    "Health": "Whether the server can do its work. Needs no token.",
    "Inbound": "A URL at which one application receives whatever is posted.",
    "Ingest Endpoint": "The endpoints that get what arrives at a source.",
    "Ingest Event": "What arrived at a source and was accepted, to be followed. Not in the Svix API.",
    "Ingest Logs": "What was rejected at a source, and why.",
    "Ingest Source": "A URL that a provider's webhooks are posted to, and how they are verified.",
    "Message": "One published fact, and how to find it again.",
    "Message Attempt": "One HTTP try to deliver a message to an endpoint, and how far deliveries are.",
    "Poller": "A receiver that fetches its messages instead of being sent them. Not in the Svix API.",
    "Statistics": "Numbers about what was sent.",
    "Webhook Endpoint": "Endpoints of the organization itself, told of what happens to its customers'.",
    "Audit Log": "Who changed what. Not in the Svix API.",
    "User": "People of the organization who sign in to the dashboard, and their roles. Not in the Svix API.",
    "Ledger": "The account of all deliveries: what was accepted, and what became of it. Not in the Svix API.",
    "System": "Whether the installation is well: its servers, workers and chores. Not in the Svix API.",
}
