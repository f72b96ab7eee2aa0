"""Templates become pages, under a policy that lets nothing run or load but our own files."""

from functools import lru_cache
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

from api.dashboard import numbers, words
from warehouse.records.questions import content_hash

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent.parent / "static"
ASSETS = {
    "dashboard.css": (STATIC / "dashboard" / "dashboard.css", "text/css; charset=utf-8"),
    "dashboard.js": (STATIC / "dashboard" / "dashboard.js", "text/javascript; charset=utf-8"),
    "charts.js": (STATIC / "dashboard" / "charts.js", "text/javascript; charset=utf-8"),
    "theme.js": (STATIC / "dashboard" / "theme.js", "text/javascript; charset=utf-8"),
    "icon.svg": (STATIC / "dashboard" / "icon.svg", "image/svg+xml"),
    "htmx.min.js": (STATIC / "vendor" / "htmx.min.js", "text/javascript; charset=utf-8"),
    "uPlot.iife.min.js": (STATIC / "vendor" / "uPlot.iife.min.js", "text/javascript; charset=utf-8"),
    "uPlot.min.css": (STATIC / "vendor" / "uPlot.min.css", "text/css; charset=utf-8"),
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Site(msgspec.Struct, frozen=True):
    """What every page says of the installation."""

    source: str

    @property
    def note(self) -> str:
        """Where the data come from."""
        if self.source == "simulated":
            return "A simulated market: none of these prices is real."
        return f"Source: {words.words(self.source)}"


def page(template: str, *, status: int = 200, **context: object) -> Response[str]:
    """Return a page."""
    return Response(
        _environment().get_template(template).render(context),
        status_code=status,
        media_type="text/html",
        headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY},
    )


@lru_cache(maxsize=16)
def content(path: Path) -> bytes:
    """Return a file of the pages."""
    return path.read_bytes()


@lru_cache(maxsize=1)
def revision() -> str:
    """Return what changes when a template or a file of the pages does, so that no old one is shown."""
    files = [*sorted(TEMPLATES.iterdir()), *(path for path, _ in ASSETS.values())]
    return content_hash(*(path.read_bytes().hex() for path in files if path.is_file()))[:12]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "number": numbers.number,
        "percent": numbers.percent,
        "compact": numbers.compact,
        "price": numbers.price,
        "measure": numbers.measure,
        "day": numbers.day,
        "instant": numbers.instant,
        "sign": numbers.sign,
        "words": words.words,
        "metric": words.metric,
        "weighting": words.weighting,
        "option": words.option,
        "heat": words.heat,
        "parts": words.parts,
        "sentence": words.sentence,
    }
    environment.globals |= {
        "GROUPS": words.GROUPS,
        "PROFILES": words.PROFILES,
        "segments": words.segments,
        "revision": revision(),
    }
    return environment
