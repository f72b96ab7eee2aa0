"""Which calculation a table was made with: the UI marks a table whose calculation has changed since."""

import ast
import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MATHS = "transforms."


def code_version_of(*functions: Callable[..., Any]) -> str:
    """Return a content hash of the files that define some functions, with all maths of ours that these import."""
    digest = hashlib.blake2b(digest_size=8)
    for file in sources_of(*functions):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def sources_of(*functions: Callable[..., Any]) -> list[Path]:
    """Return the files behind `code_version_of`, sorted."""
    found: set[Path] = set()
    waiting = [Path(inspect.getfile(function)) for function in functions]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imported(file)
    return sorted(found)


def _imported(file: Path) -> list[Path]:
    statements = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    modules = (statement.module or "" for statement in statements if isinstance(statement, ast.ImportFrom))
    return [ROOT / f"{module.replace('.', '/')}.py" for module in modules if module.startswith(MATHS)]
