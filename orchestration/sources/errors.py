"""What can go wrong at the doors.

::

    SourceError
    ├── UnknownSource            no source of this name
    ├── OptionOutOfRange         a setting of a source does not hold
    ├── MappingError             the mapping file is not as documented
    ├── DataFileMissing          a file that the mapping names is not there
    ├── DataColumnMissing        a column that the mapping names is not in the file
    └── DataFileUnreadable       the file is not what its name says

A bad record is none of these: it travels on as `records.Refused`.
"""

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
            f"Name your columns under `{entity}: columns:` in the mapping."
        )


class DataFileUnreadable(SourceError):
    """The file cannot be read as the format that its name says."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: the file must be readable Parquet or CSV; got {reason}. "
            f"Check the file, and the separator and encoding in the mapping."
        )
