"""What can go wrong at the doors.

::

    SourceError
    ├── UnknownSource            no source of this name
    ├── OptionOutOfRange         a setting of a source does not hold
    ├── MappingError             the mapping file is not as documented
    ├── DataFileMissing          a file that the mapping names is not there
    ├── DataColumnMissing        a column that the mapping names is not in the file
    ├── DataFileUnreadable       the file is not what its name says
    └── VendorError              a vendor did not give what it was asked for; `kind` says why
        ├── VendorRefused        it will not, however often it is asked: auth, entitlement, not found, bad request
        ├── VendorOverBudget     not now: its limit or ours is used up until `retry_at`
        ├── VendorUnavailable    it fails: no answer, an error of its own, or one that cannot be read
        └── HostRefused          its key would go to a host that is not its own

A bad record is none of these: it travels on as `records.Refused`.
"""

import datetime as dt
from enum import StrEnum
from pathlib import Path


class SourceError(Exception):
    """A source cannot do what it was asked."""


class UnknownSource(SourceError):
    """No source of this name is registered."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"sources: the name must be one of {known}; got {name!r}. "
            f"Correct FACTORLOOM_SOURCE, or register it in orchestration/sources/registry.py."
        )


class OptionOutOfRange(SourceError):
    """A setting of a source lies outside its range."""

    def __init__(self, source: str, option: str, *, must: str, got: object) -> None:
        super().__init__(f"{source}: {option} must {must}; got {got!r}. Change the setting.")


class MappingError(SourceError):
    """The mapping file is not as documented."""

    def __init__(self, path: Path, where: str, *, must: str, got: object) -> None:
        super().__init__(
            f"{path}: {where} must {must}; got {got!r}. "
            f"The keys are described in orchestration/sources/files/mapping.py."
        )


class DataFileMissing(SourceError):
    """A file that the mapping names is not in the folder."""

    def __init__(self, folder: Path, pattern: str, *, entity: str) -> None:
        found = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else None
        super().__init__(
            f"{folder / pattern}: the file of {entity} must exist; "
            f"{'the folder does not exist' if found is None else f'the folder holds {found[:20]}'}. "
            f"Put the file there, or correct the folder or the mapping's `file`."
        )


class DataColumnMissing(SourceError):
    """A column that the mapping names is not in the file."""

    def __init__(self, path: Path, missing: list[str], found: list[str], *, entity: str) -> None:
        super().__init__(
            f"{path}: the columns of {entity} must be there; missing {missing}, found {found}. "
            f"Name your columns in the mapping, under `columns:`, and what holds for every row under `constants:`; "
            f"`factorloom import` takes the latter as options, such as --currency."
        )


class DataFileUnreadable(SourceError):
    """The file cannot be read as the format that its name says."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: the file must be readable Parquet or CSV; got {reason}. "
            f"Check the file, and the separator and encoding in the mapping."
        )


class Kind(StrEnum):
    """What an answer of a vendor means, whatever its status says."""

    AUTH = "auth"
    ENTITLEMENT = "entitlement"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    QUOTA_MINUTE = "quota_minute"
    QUOTA_DAY = "quota_day"
    TRANSIENT = "transient"
    EMPTY = "empty"


# What the operator can do about each kind.
_NEXT_STEP = {
    Kind.AUTH: "Check the key in FACTORLOOM_{name}_API_KEY.",
    Kind.ENTITLEMENT: "Set FACTORLOOM_{name}_PLAN to the plan that the key has, or ask for what it covers.",
    Kind.NOT_FOUND: "Check the symbol in the vendor's own list.",
    Kind.BAD_REQUEST: "Compare the request with the vendor's documentation; it may have changed.",
    Kind.QUOTA_MINUTE: "Ask again after that instant.",
    Kind.QUOTA_DAY: "Ask again after that instant, or take a larger plan.",
    Kind.TRANSIENT: "Ask again later; `factorloom sources` shows whether it is back.",
}


class VendorError(SourceError):
    """A vendor did not give what it was asked for. `request` carries no secret."""

    kind: Kind = Kind.TRANSIENT

    def __init__(self, vendor: str, request: str, *, must: str, got: str, kind: Kind) -> None:
        super().__init__(f"{vendor}: {request} must {must}; got {got}. {_NEXT_STEP[kind].format(name=vendor.upper())}")
        self.vendor = vendor
        self.request = request
        self.kind = kind
        self.got = got


class VendorRefused(VendorError):
    """The vendor will not answer this request, however often it is asked."""

    def __init__(self, vendor: str, request: str, *, kind: Kind, got: str) -> None:
        super().__init__(vendor, request, must="be granted", got=f"{kind.value} ({got})", kind=kind)


class VendorOverBudget(VendorError):
    """The vendor's limit, or what is left of our budget with it, does not allow the request before `retry_at`."""

    def __init__(self, vendor: str, request: str, *, kind: Kind, retry_at: dt.datetime | None, got: str) -> None:
        until = "never with this plan" if retry_at is None else f"not before {retry_at:%Y-%m-%d %H:%M:%SZ}"
        super().__init__(vendor, request, must="fit the budget", got=f"{until}: {got}", kind=kind)
        self.retry_at = retry_at


class VendorUnavailable(VendorError):
    """The vendor gave no answer, an error of its own, or something that is no answer."""

    def __init__(
        self, vendor: str, request: str, *, got: str, retry_at: dt.datetime | None = None, can_retry: bool = True
    ) -> None:
        super().__init__(vendor, request, must="be answered", got=got, kind=Kind.TRANSIENT)
        self.retry_at = retry_at
        self.can_retry = can_retry


class HostRefused(VendorError):
    """A key goes to its vendor's own hosts alone; the request was not sent."""

    def __init__(self, vendor: str, host: str, allowed: list[str]) -> None:
        super().__init__(
            vendor,
            f"host {host!r}",
            must=f"be one of {allowed}",
            got="another; nothing was sent",
            kind=Kind.BAD_REQUEST,
        )
