"""Catalog: all event types of an organization as one OpenAPI document, which is read and written."""
