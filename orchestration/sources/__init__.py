"""Doors to market data: vendors, files, the simulator in; typed records out. Neither Dagster nor Postgres in here."""
