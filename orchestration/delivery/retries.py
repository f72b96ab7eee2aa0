"""What follows from a try: done, again later, or given up.

Source: the retry schedule that the Standard Webhooks specification 1.0.0 proposes.
"""

import hashlib
from typing import Literal, NamedTuple

from orchestration.delivery.messages import Outcome

MINUTE, HOUR = 60.0, 3600.0
# Seconds to wait before the nth try; ten tries within 75.6 hours.
WAIT_SECONDS = (
    0.0, 5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
JITTER = 0.2
LONGEST_WAIT_SECONDS = 24 * HOUR
# A receiver that answers so is overloaded: its other messages wait as well. 421 is a mail server's word for it.
OVERLOADED = (421, 429, 502, 504)
OVERLOADED_WAIT_SECONDS = MINUTE

# What trying again does not mend, and what is no fault of the receiver's.
HOPELESS = ("body_too_large",)
OURS = (
    "secret_unreadable",
    "sender_failed",
    "mail_not_configured",
    "mail_server_refuses_us",
    "mail_server_unreachable",
)


class Verdict(NamedTuple):
    """What becomes of a delivery after a try.

    `wait_seconds` is set when it is tried again, `pause_seconds` when everything for its channel has to wait;
    `is_channel_gone` says that nothing more is to be sent there, `has_channel_failed` that its receiver is to blame.
    """

    state: Literal["done", "pending", "dead"]
    wait_seconds: float | None = None
    pause_seconds: float | None = None
    is_channel_gone: bool = False
    has_channel_failed: bool = False


def judge(outcome: Outcome, *, attempts: int, delivery_id: str) -> Verdict:
    """Say what becomes of a delivery.

    Parameters
    ----------
    outcome
        Of the try just made.
    attempts
        Tries so far, this one included.
    delivery_id
        Spreads the waiting times: deliveries that failed together are not tried together again.
    """
    if outcome.is_received:
        return Verdict("done")
    if outcome.is_gone:
        return Verdict("dead", is_channel_gone=True)
    if outcome.error in HOPELESS:
        return Verdict("dead")
    has_failed = outcome.error not in OURS
    pause = None
    if outcome.status in OVERLOADED:
        pause = min(outcome.retry_after_seconds or OVERLOADED_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
    if attempts >= len(WAIT_SECONDS):
        return Verdict("dead", pause_seconds=pause, has_channel_failed=has_failed)
    wait = WAIT_SECONDS[attempts] * (1 + JITTER * _spread(delivery_id, attempts))
    asked = min(outcome.retry_after_seconds or 0.0, LONGEST_WAIT_SECONDS)
    return Verdict("pending", max(wait, asked, pause or 0.0), pause, has_channel_failed=has_failed)


def _spread(delivery_id: str, attempts: int) -> float:
    """A number in [-1, 1) that looks random and is always the same for the same try."""
    digest = hashlib.blake2b(f"{delivery_id}|{attempts}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**63 - 1
