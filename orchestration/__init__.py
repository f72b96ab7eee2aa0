"""WHEN things run: Dagster definitions, and the doors to the outside in `sources` and `delivery`. No maths here."""
