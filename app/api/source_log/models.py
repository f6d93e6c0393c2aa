"""Logs of sources on the wire; their names are as they stand here."""

from pydantic import BaseModel, ConfigDict, Field

from app.api.fields import Timestamp, example


class IngestLogOut(BaseModel):
    """A request that was rejected, without the values of headers that hold credentials."""

    model_config = ConfigDict(
        **example(
            id="log0iSXRtZlCPgLkNjVE5xMM6",
            source_id="src_0iSXRtZQskBRr7dIpN7xCw",
            status_code=401,
            error_text="The header stripe-signature is missing.",
            headers={"content-type": "application/json"},
            payload='{"id":"evt_1"}',
            created_at="2026-01-31T23:59:59Z",
            updated_at="2026-01-31T23:59:59Z",
        )
    )

    id: str
    source_id: str
    status_code: int = Field(description="What the request was answered.")
    error_text: str = Field(description="Why it was rejected.")
    headers: dict[str, str] = Field(description="Those that came several times in one, divided by commas.", repr=False)
    payload: str = Field(description="The beginning of its body, as text.", repr=False)
    created_at: Timestamp
    updated_at: Timestamp
