"""Doors for what goes out: signed webhooks, later mail.

Knows neither Dagster nor Postgres, and asks for no time: bytes, addresses and instants come in, an outcome comes back.
"""
