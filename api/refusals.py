"""Problems of writes: what does not go with how things stand, what is too much, what a file must hold."""

import datetime as dt
import re
from collections.abc import Sequence
from uuid import UUID

from api.errors import ApiProblem, NotFound, ParameterError, Unprocessable, shown


class Conflict(ApiProblem):
    """The request does not go with how things stand."""

    status = 409
    code = "conflict"
    title = "The request does not go with how things stand"


class NameTaken(Conflict):
    """Another of the caller's things has this name."""

    code = "name-taken"
    title = "The name is taken"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"name: must be the only one among your {kind}; {shown(name)} is there already. Choose another.",
            errors=[ParameterError("name", "taken", "This name is taken.")],
        )


class RequestInFlight(Conflict):
    """A request with the same Idempotency-Key is being answered."""

    code = "request-in-flight"
    title = "The same request is being answered already"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("Idempotency-Key: its first request must have been answered; it is under way. Repeat later.")


class JobEnded(Conflict):
    """The job has ended: there is nothing to cancel."""

    code = "job-ended"
    title = "The job has ended"

    def __init__(self, job_id: UUID, state: str) -> None:
        super().__init__(f"job_id: must be of a job under way; {job_id} has {state}. There is nothing to do.")


class PreconditionFailed(ApiProblem):
    """The thing has changed since the version that the caller has seen."""

    status = 412
    code = "precondition-failed"
    title = "It has changed since the version that If-Match names"

    def __init__(self, current: str) -> None:
        super().__init__(f"If-Match: must be {current}, the version of now; it is not. Read it again, then change it.")


class IdempotencyKeyReused(Unprocessable):
    """The Idempotency-Key came before with another request."""

    code = "idempotency-key-reused"
    title = "The Idempotency-Key belongs to another request"

    def __init__(self) -> None:
        super().__init__(
            "Idempotency-Key: must be new for each request; with this one something else was sent. Make a new key."
        )


class JobTooCostly(Unprocessable):
    """One job alone would cost more than any may."""

    code = "job-too-costly"
    title = "The job would cost too much"


class QuotaSpent(ApiProblem):
    """The caller has asked for as much as they may for now."""

    status = 429
    code = "job-quota-spent"
    title = "No more jobs for now"
    retry_after_seconds = 60

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.headers["Retry-After"] = str(retry_after_seconds)


class FileRefused(Unprocessable):
    """A file cannot be taken over; nothing of it was."""

    code = "file-refused"
    title = "The file cannot be taken over"

    def __init__(self, errors: Sequence[ParameterError], *, shown_at_most: int = 100) -> None:
        first = errors[0].message
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        super().__init__(
            f"body: every row must hold; got {len(errors)} that do not: {first}{more}. Nothing was taken over; "
            "correct them, then send the file again.",
            errors=list(errors[:shown_at_most]),
        )


class UploadRefused(Unprocessable):
    """A file of bars cannot be taken over; nothing of it was."""

    code = "upload-refused"
    title = "The upload cannot be taken over"


class MuteInvalid(Unprocessable):
    """An alert cannot be muted until then."""

    code = "mute-invalid"
    title = "An alert cannot be muted until then"

    def __init__(self, until: dt.datetime) -> None:
        super().__init__(
            f"muted_until: must lie ahead, at most ten years; got {until.isoformat()}. Send null to lift it.",
            errors=[ParameterError(code="invalid", message="It must lie ahead.", pointer="/muted_until")],
        )


class RuleInvalid(Unprocessable):
    """The body of an alert rule does not hold."""

    code = "rule-invalid"
    title = "The alert rule does not hold"


class AddressRefused(Unprocessable):
    """Nothing may be sent to the address of a webhook."""

    code = "address-refused"
    title = "Nothing may be sent to this address"


class LinkUnknown(NotFound):
    """The link of a mail is none of ours, or its channel is gone."""

    code = "link-unknown"
    title = "This link leads nowhere"

    def __init__(self) -> None:
        super().__init__("token: must be as it stands in the mail; this one is not. Open the link from the mail again.")


class JobUnknown(NotFound):
    """There is no such job, or it is somebody else's."""

    code = "job-unknown"
    title = "There is no such job"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"job_id: must be of a job of yours; got {job_id}. See /v1/jobs.")


class StrategyUnknown(NotFound):
    """No trading strategy has this name, or it has not traded yet."""

    code = "strategy-unknown"
    title = "There is no such strategy"

    def __init__(self, strategy_id: str) -> None:
        super().__init__(f"strategy_id: must be one that has traded; got {shown(strategy_id)}. See /v1/strategies.")


class OrderUnknown(NotFound):
    """There is no such order on paper, or it is somebody else's."""

    code = "order-unknown"
    title = "There is no such order"

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"order_id: must be of an order of yours; got {order_id}. See /v1/orders.")


class OrderEnded(Conflict):
    """The order has ended: there is nothing to cancel."""

    code = "order-ended"
    title = "The order has ended"

    def __init__(self, order_id: UUID, state: str) -> None:
        super().__init__(f"order_id: must be of an order that waits; {order_id} is {state}. There is nothing to do.")


class SettingsRefused(Unprocessable):
    """Settings do not keep to what they may be."""

    code = "settings-refused"
    title = "The settings cannot be"

    def __init__(self, subject: str, wrong: Sequence[ParameterError]) -> None:
        first = wrong[0]
        super().__init__(
            f"{shown(subject)}: every setting must keep to its limits; {first.pointer or first.parameter} "
            f"{first.message} Correct it.",
            errors=wrong,
        )


class PortfolioUnknown(NotFound):
    """There is no such portfolio, or it is somebody else's."""

    code = "portfolio-unknown"
    title = "There is no such portfolio"

    def __init__(self, portfolio_id: UUID) -> None:
        super().__init__(f"portfolio_id: must be of a portfolio of yours; got {portfolio_id}. See /v1/portfolios.")


class AlertUnknown(NotFound):
    """There is no such alert, or it is somebody else's."""

    code = "alert-unknown"
    title = "There is no such alert"

    def __init__(self, alert_id: UUID) -> None:
        super().__init__(f"alert_id: must be of an alert of yours; got {alert_id}. See /v1/alerts.")


class EndpointUnknown(NotFound):
    """There is no such webhook endpoint, or it is somebody else's."""

    code = "webhook-endpoint-unknown"
    title = "There is no such webhook endpoint"

    def __init__(self, endpoint_id: UUID) -> None:
        super().__init__(f"endpoint_id: must be of an endpoint of yours; got {endpoint_id}. See /v1/webhook-endpoints.")


def pointer_of(message: str) -> str | None:
    """Return the place that msgspec names (`$.rule.level`) as a JSON pointer (`/rule/level`)."""
    found = re.search(r"`\$([^`]*)`", message)
    return re.sub(r"\.|\[(\d+)\]|\[\.\.\.\]", lambda m: f"/{m[1]}" if m[1] else "/", found[1]) if found else None
