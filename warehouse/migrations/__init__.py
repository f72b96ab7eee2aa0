"""Alembic revisions, forward only: each executes one plain SQL file of the folder `sql`. Nothing else belongs here."""
