"""What the demo's shop publishes: a dozen events with the payloads that a real one would send."""

from dataclasses import dataclass
from typing import Any

DESCRIPTIONS = {
    "invoice.created": "An invoice was issued.",
    "invoice.paid": "An invoice was paid in full.",
    "order.placed": "A customer placed an order.",
    "order.shipped": "A parcel left the warehouse.",
    "user.created": "Somebody signed up.",
    "user.updated": "Somebody changed their profile.",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One fact; `data` holds an `id` that no other event has."""

    event_type: str
    data: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.data["id"])

    @property
    def payload(self) -> dict[str, Any]:
        return {"type": self.event_type, "data": self.data}


def _invoice(event_type: str, number: int, cents: int, customer: str) -> Event:
    line = {"description": "Team plan, monthly", "quantity": 1, "unit_amount": cents}
    data = {"id": f"inv_{number}", "customer": customer, "currency": "EUR", "amount": cents, "lines": [line]}
    return Event(event_type, data)


def _order(event_type: str, number: int, sku: str, quantity: int, city: str) -> Event:
    items = [{"sku": sku, "quantity": quantity}]
    return Event(event_type, {"id": f"ord_{number}", "items": items, "ship_to": {"city": city, "country": "DE"}})


def _user(event_type: str, number: int, name: str, email: str) -> Event:
    return Event(event_type, {"id": f"usr_{number}", "name": name, "email": email, "verified": True})


EVENTS = (
    _user("user.created", 501, "Zoë Schröder", "zoe@example.com"),
    _invoice("invoice.created", 2041, 4900, "cus_501"),
    _order("order.placed", 7001, "MUG-BLUE", 2, "Köln"),
    _invoice("invoice.paid", 2040, 4900, "cus_499"),
    _user("user.updated", 498, "Łukasz Nowak", "lukasz@example.com"),
    _order("order.shipped", 6998, "TEE-L-BLACK", 1, "München"),
    _invoice("invoice.created", 2042, 129_00, "cus_502"),
    _order("order.placed", 7002, "CAP-RED", 12, "Hamburg"),
    _user("user.created", 502, "Aylin Öztürk", "aylin@example.com"),
    _invoice("invoice.paid", 2039, 990, "cus_477"),
    _order("order.shipped", 6999, "POSTER-A2", 3, "Leipzig"),
    _user("user.updated", 499, "Renée O’Neill", "renee@example.com"),
)
