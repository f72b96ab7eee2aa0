"""Errors of this folder.

WarehouseError
├── SettingsError       the environment does not describe a working installation
├── ServerError         the embedded PostgreSQL could not be started or stopped
├── UnfitDatabase       the database, or our account in it, cannot carry the warehouse
├── MigrationPending    the database is older (or newer) than the code
├── DumpError           a copy of the warehouse could not be written or read back
└── MergeError          rows handed to a merge do not fit their table
"""


class WarehouseError(Exception):
    """Something is wrong with where things are kept."""


class SettingsError(WarehouseError):
    """The environment does not describe a working installation."""

    def __init__(self, problems: list[str]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(
            f"settings: every variable must hold what .env.example says; {len(problems)} do not:\n{lines}\n"
            "Correct them in the environment or in .env, then start again."
        )
        self.problems = problems


class ServerError(WarehouseError):
    """The embedded PostgreSQL could not be started or stopped."""


class UnfitDatabase(WarehouseError):
    """The database, or our account in it, cannot carry the warehouse."""

    def __init__(self, what_must_hold: str, what_to_do: str) -> None:
        super().__init__(f"warehouse: {what_must_hold}. {what_to_do}")


class MigrationPending(WarehouseError):
    """The database is older or newer than the code."""

    def __init__(self, *, found: str | None, wanted: str) -> None:
        super().__init__(
            f"warehouse: the schema must be at revision {wanted}; it is at {found}. "
            "Run `factorloom db upgrade`; if the database is newer, use the code that made it."
        )


class DumpError(WarehouseError):
    """A copy of the warehouse could not be written or read back."""


class MergeError(WarehouseError):
    """Rows handed to a merge do not fit their table."""
