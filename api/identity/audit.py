"""The audit log, as handlers write it."""

from api import exchange
from api.database import Transaction
from api.identity.principal import Principal
from warehouse.queries import audit as entries

Fact = str | int | float | bool | None


async def audit(transaction: Transaction, principal: Principal, action: str, target: str, **detail: Fact) -> None:
    """Note a write in the transaction that makes it: who, what, to what, from where.

    Parameters
    ----------
    transaction
        The entry commits with it or not at all. Audit last: the log takes one writer at a time, until its commit.
    principal
        Who asked.
    action, target
        For example alert.created, and the id of the alert.
    detail
        Facts that matter later; never a secret, never a body.
    """
    now = exchange.current.get()
    entry = entries.Entry(
        transaction.now,
        principal.actor,
        principal.kind,
        action,
        target,
        detail,
        now.request_id,
        now.client_address,
        now.user_agent,
    )
    await entries.append(transaction, entry)
