"""Values held against the JSON schemas that a table keeps: those of plugins, which the API does not know."""

from collections.abc import Callable, Mapping
from typing import Any

from api.errors import ParameterError

TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float), "integer": (int,), "string": (str,), "boolean": (bool,), "null": (type(None),),
}  # fmt: skip
BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("must be {} or more", lambda value, bound: value >= bound),
    "maximum": ("must be {} at most", lambda value, bound: value <= bound),
    "exclusiveMinimum": ("must be above {}", lambda value, bound: value > bound),
    "exclusiveMaximum": ("must be below {}", lambda value, bound: value < bound),
    "enum": ("must be one of {}", lambda value, bound: value in bound),
}


def faults(values: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]], *, under: str) -> list[ParameterError]:
    """Return what is wrong with values.

    Parameters
    ----------
    values
        By name.
    schemas
        By name: type, minimum, maximum, exclusiveMinimum, exclusiveMaximum, enum, anyOf.
    under
        JSON pointer to the values.
    """
    found = []
    for name, value in values.items():
        fault = fault_of(value, schemas[name]) if name in schemas else f"is not known; there are {', '.join(schemas)}"
        if fault is not None:
            found.append(ParameterError(code="invalid", message=f"{fault}.", pointer=f"{under}/{name[:64]}"))
    return found


def fault_of(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a value, None where nothing is."""
    if "anyOf" in schema:
        told = [fault_of(value, one) for one in schema["anyOf"]]
        return None if None in told else " or ".join(str(one) for one in told)
    wanted = schema.get("type")
    if wanted in TYPES and (not isinstance(value, TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")):
        return f"must be of type {wanted}"
    for keyword, (text, holds) in BOUNDS.items():
        if keyword in schema and not holds(value, schema[keyword]):
            return text.format(schema[keyword])
    return None
