"""Settings of the files source."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class FilesOptions:
    """Where the files are.

    Parameters
    ----------
    folder : Path
        Holds the files that the mapping names.
    mapping : Path, optional
        The mapping; None takes `mapping.yaml` in the folder, or one that comes along and describes the folder.
    cache_folder : Path, optional
        Remembers what a pass over large CSV files found, by size and time of change; None asks them anew each time.
    """

    folder: Path
    mapping: Path | None = None
    cache_folder: Path | None = None
