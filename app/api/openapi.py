"""What the OpenAPI document knows of an application's operations."""

from fastapi import FastAPI


def operation_names(app: FastAPI) -> frozenset[str]:
    """The names of all operations."""
    paths = app.openapi()["paths"].values()
    return frozenset(operation["operationId"] for operations in paths for operation in operations.values())
