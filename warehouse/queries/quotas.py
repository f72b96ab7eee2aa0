"""What one account may have at most is counted by one of its requests at a time."""

from uuid import UUID

from warehouse.queries.reader import Writer

ALONE = "select pg_advisory_xact_lock(hashtextextended(%(claim)s, 0))"


async def alone(writer: Writer, user_id: UUID, what: str) -> None:
    """Wait for other requests of this account that count `what`; those that follow wait for this transaction's end."""
    await writer.execute(ALONE, {"claim": f"{what}\x1f{user_id}"})
