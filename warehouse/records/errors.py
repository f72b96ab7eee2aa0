"""What can be wrong with a record that somebody hands in.

::

    RecordRefused
    ├── RuleRefused         the body of an alert rule does not hold
    ├── EndpointRefused     nothing may be sent to this address
    ├── ChannelRefused      a channel is not described as it must be
    ├── JobRefused          the parameters of a job do not hold
    ├── FileRefused         a file cannot be taken over: which rows, and why
    └── UploadRefused       a file of bars is not one
"""

from collections.abc import Sequence
from typing import NamedTuple


class RecordRefused(ValueError):
    """A record that was handed in does not hold; the text can be shown to whoever sent it."""


class RuleRefused(RecordRefused):
    """The body of an alert rule does not hold."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"alert rule: the body must be as its JSON schema says; {problem}. Correct it and send it again."
        )


class EndpointRefused(RecordRefused):
    """Nothing may be sent to this address."""

    def __init__(self, url: str, *, must: str) -> None:
        super().__init__(f"webhook endpoint: the address must {must}; got {url!r}. Give a public https address.")


class JobRefused(RecordRefused):
    """The parameters of a job do not hold."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"job: kind and parameters must be as /openapi.json says; {problem}. Correct them and ask again."
        )
        self.problem = problem


class ChannelRefused(RecordRefused):
    """A channel is not described as it must be."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"channel: {problem}. Correct it and send it again.")


class RowProblem(NamedTuple):
    """What is wrong with a row of a file (the first behind the header is 1; None = the file itself), in which field."""

    row: int | None
    field: str | None
    problem: str


class FileRefused(RecordRefused):
    """A file cannot be taken over; nothing of it is."""

    def __init__(self, problems: Sequence[RowProblem]) -> None:
        where = f"row {problems[0].row}" if problems[0].row else "file"
        super().__init__(
            f"{where}: each row must hold; got {len(problems)} that do not: {problems[0].problem}. Correct and resend."
        )
        self.problems = list(problems)


class UploadRefused(RecordRefused):
    """A file of bars is not one; nothing of it is taken over. `row` is the first that does not hold, 1 the first."""

    def __init__(self, problem: str, *, row: int | None = None, of: str = "row") -> None:
        where = "upload" if row is None else f"upload: {of} {row}"
        super().__init__(f"{where}: {problem}. Nothing was taken over; correct it and send it again.")
        self.row = row
