"""What `factorloom refresh` says at its end: what the data is, what came in, ranking, backtest, where to look."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from factorloom.stages import Intake, StageResult
from transforms.skill_slices import verdict
from warehouse.connect import connect, writer_url
from warehouse.queries import summary as queries
from warehouse.settings import Settings

if TYPE_CHECKING:
    import psycopg

PROFILE = "balanced"
BASELINE = "momentum_12_1"
HOW_TO_SWITCH = "For your own files set FACTORLOOM_SOURCE=files and FACTORLOOM_FILES_FOLDER; see docs/your-own-data.md."
METRICS = (
    "cagr", "volatility", "sharpe", "deflated_sharpe", "overfitting_probability", "sortino", "max_drawdown",
    "market_beta", "turnover", "hit_rate",
)  # fmt: skip
SLOWEST_STEPS = 12


def print_summary(
    settings: Settings, results: Sequence[StageResult], console: Console, *, label: str, sources: Sequence[str]
) -> None:
    """Print the end of a refresh.

    Parameters
    ----------
    settings
        Of this installation.
    results
        What was run.
    console
        Where to.
    label
        The source's sentence about itself.
    sources
        Names of all sources that rows may have come from.
    """
    with connect(writer_url(settings)) as connection:
        console.print()
        console.print(f"[bold]{escape(label)}[/]", soft_wrap=True)
        if settings.source == "simulated":
            console.print(HOW_TO_SWITCH, soft_wrap=True)
        console.print(_counts(connection, sources, results))
        console.print(_ranking(connection))
        console.print(_backtest(connection))
        console.print(_skill(connection))
    console.print(_durations(results))
    console.print(_where_next(settings), soft_wrap=True)


def _counts(connection: "psycopg.Connection", sources: Sequence[str], results: Sequence[StageResult]) -> Table:
    """Return what this refresh received and what became of it, beside all that is stored of the sources."""
    of = {"sources": list(sources)}
    intake = {table: counts for result in results for table, counts in result.intake.items()}
    shown = _figures("table", "received", "new", "changed", "quarantined", "stored in all", title="What came in")
    n_repeated = 0
    for entity, stored in connection.execute(queries.COUNTS, of):
        counts = intake.get(f"raw.{entity}", Intake())
        numbers = (counts.received, counts.inserted, counts.updated, counts.quarantined, stored)
        n_repeated += counts.received - counts.inserted - counts.updated - counts.quarantined
        shown.add_row(f"raw.{entity}", *(f"{number:,}" for number in numbers))
    suspect, cleared = connection.execute(queries.VERDICTS, of).fetchone() or (0, 0)
    shown.caption = (
        f"{n_repeated:,} records repeat what was known. {suspect:,} bars are suspect and stay out of the factors; "
        f"{cleared:,} were suspected and cleared."
    )
    shown.caption_justify = "left"
    return shown


def _ranking(connection: "psycopg.Connection") -> Table:
    rows = connection.execute(queries.TOP_OF_RANKING, {"profile": PROFILE}).fetchall()
    day = f" of {rows[0][0]}" if rows else ""
    shown = Table(
        "rank", "ticker", "name", "score", "signal", title=f"Ranking{day}, profile {PROFILE}", title_justify="left"
    )
    for _, rank, ticker, name, score, signal in rows:
        shown.add_row(str(rank), ticker, name or "", f"{score:.1f}", signal.replace("_", " "))
    return shown


def _backtest(connection: "psycopg.Connection") -> Table:
    rows = connection.execute(queries.BACKTEST_FIGURES, {"profile": PROFILE, "metrics": list(METRICS)}).fetchall()
    shown = _figures("figure", "book", "benchmark", title="No backtest yet")
    if rows:
        first, last, n_trials = rows[0][:3]
        shown.title = f"Backtest {first} to {last}, profile {PROFILE}, out of sample, after costs"
        shown.caption = f"{n_trials} trials are on record: the more one tries, the less the best one means."
        shown.caption_justify = "left"
    order = {metric: place for place, metric in enumerate(METRICS)}
    for *_, metric, value, benchmark, unit in sorted(rows, key=lambda row: order[row[3]]):
        shown.add_row(metric.replace("_", " "), _figure(value, unit), _figure(benchmark, unit))
    return shown


def _skill(connection: "psycopg.Connection") -> Table:
    columns = ("mean rank IC", "Newey-West t", "days", "net Sharpe of the spread", "deflated", "PBO")
    shown = _figures("forecaster", *columns, title="Skill, out of sample")
    verdicts = []
    for row in connection.execute(queries.SKILL):
        model_id, mean, t, days, sharpe, deflated, overfitting, difference, difference_t = row
        figures = (_figure(sharpe, "ratio"), _figure(deflated, "fraction"), _figure(overfitting, "fraction"))
        sure = "too few days" if t is None else f"{t:+.2f}"
        shown.add_row(model_id, f"{mean:+.4f}", sure, f"{days:.0f}", *figures)
        if model_id != BASELINE:
            verdicts.append(verdict(model_id, BASELINE, difference=difference, t=difference_t))
    shown.caption = "\n".join(verdicts) or None
    shown.caption_justify = "left"
    return shown


def _durations(results: Sequence[StageResult]) -> Table:
    shown = _figures("step", "seconds", title="How long it took")
    steps = [(step, seconds) for result in results for step, seconds in result.seconds_by_step.items()]
    for step, seconds in sorted(steps, key=lambda item: -item[1])[:SLOWEST_STEPS]:
        shown.add_row(step.replace("__", "."), f"{seconds:.1f}")
    shown.add_section()
    shown.add_row("all runs", f"{sum(result.seconds for result in results):.1f}")
    return shown


def _where_next(settings: Settings) -> str:
    ui, api = f"http://127.0.0.1:{settings.ui_port}", settings.public_address
    return (
        f"Next: `make up`, then look at {api} (rankings, instruments, backtests), {api}/docs (API) and {ui} (lineage, "
        "plots, checks).\n"
        f"  curl '{api}/v1/rankings?profile={PROFILE}&limit=5'"
    )


def _figures(label: str, *numbers: str, title: str) -> Table:
    """Return an empty table of numbers, which stand to the right; narrow consoles wrap their headings."""
    shown = Table(title=title, title_justify="left")
    shown.add_column(label, no_wrap=True)
    for heading in numbers:
        shown.add_column(heading, justify="right")
    return shown


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if unit.startswith("fraction") else f"{value:.2f}"
