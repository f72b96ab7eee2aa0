"""The console script. Every command imports what it needs when it runs, so that `factorloom --help` is quick."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from factorloom.alert_commands import alerts

if TYPE_CHECKING:
    from warehouse.settings import Settings

OUR_FOLDERS = ("api", "factorloom", "models", "orchestration", "transforms", "warehouse")
PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

commands = typer.Typer(
    help="Factorloom: an equity-research data platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(help="The warehouse: migrate, look inside, copy.", no_args_is_help=True)
commands.add_typer(db, name="db")
imports = typer.Typer(
    help="Bring in a CSV or Parquet file, beside what the source delivers; columns as a mapping names them.",
    no_args_is_help=True,
)
commands.add_typer(imports, name="import")
commands.add_typer(alerts, name="alerts")

ImportedFile = Annotated[Path, typer.Argument(help="File to read, .csv, .csv.gz or .parquet.")]
MappingFile = Annotated[Path | None, typer.Option("--mapping", help="Mapping that says what its columns are called.")]
CurrencyCode = Annotated[str | None, typer.Option("--currency", help="Currency, where the file has no column of it.")]


def app() -> None:
    """Run the command line; what we know how to explain ends with one message and status 1."""
    try:
        commands()
    except Exception as error:
        message = explanation(error)
        if message is None:
            raise
        Console(stderr=True).print(message, style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(1)


def explanation(error: Exception) -> str | None:
    """Return what to tell the user about an error, None for one that nobody foresaw."""
    # Each error class of ours is built for people; a ValueError of the maths, by contrast, is a defect.
    if type(error).__module__.partition(".")[0] in OUR_FOLDERS:
        return str(error)
    psycopg = sys.modules.get("psycopg")  # only a command that has loaded it can raise its errors
    if psycopg is not None and isinstance(error, psycopg.OperationalError):
        return (
            f"warehouse: the database must be reachable; it said: {str(error).strip()}. "
            "Run `factorloom doctor` for what to do."
        )
    return None


@commands.command()
def refresh(
    full: Annotated[bool, typer.Option("--full", help="Run every partition again, not only the missing ones.")] = False,
    first_date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Run the partitions from this day on again.")
    ] = None,
) -> None:
    """Run the whole pipeline up to the last session, from market data to ranking and backtest."""
    from factorloom.interrupts import make_deaf

    make_deaf()
    from factorloom.progress import console_on_own_copy
    from factorloom.refresh import refresh as run

    run(_settings(), console=console_on_own_copy(), full=full, first_date=first_date.date() if first_date else None)


@commands.command()
def up() -> None:
    """Start PostgreSQL, Dagster and the API, and keep them running until Ctrl-C."""
    from factorloom.up import up as run

    run(_settings(), Console())


@commands.command()
def api() -> None:
    """Serve the API alone."""
    from api.server import run
    from warehouse.migrate import prepare

    settings = _settings()
    if settings.is_embedded:
        prepare(settings)
    run(settings)


@commands.command()
def deliver() -> None:
    """Send what falls due in the outbox at once, beside the sensor that does it every few seconds; until Ctrl-C."""
    from factorloom.delivering import deliver as run

    run(_settings(), lambda text: print(text, flush=True))


@commands.command()
def sources() -> None:
    """Show each source: what it can do, whether its key is there, what is left of its budget, how it answered last."""
    from factorloom.sources import rows, tables_of
    from warehouse.connect import writer_url
    from warehouse.migrate import prepare
    from warehouse.queries.vendor_budgets import VendorLedger

    settings = _settings()
    if settings.is_embedded:
        prepare(settings)
    ledger = VendorLedger(lambda: writer_url(settings))
    Console().print(*tables_of(rows(settings, ledger)), sep="\n\n")
    ledger.close()


@commands.command(name="fake-vendor")
def fake_vendor(
    name: Annotated[str, typer.Argument(help="Whose formats: eodhd, massive, nordnet, twelve_data, yahoo.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    companies: Annotated[int, typer.Option(min=2, max=10_000, help="Companies of the made-up market.")] = 100,
    errors: Annotated[float, typer.Option(min=0, max=1, help="Fraction of requests that end with a 503.")] = 0.0,
    refusals: Annotated[float, typer.Option(min=0, max=1, help="Fraction refused with a 429.")] = 0.0,
    cuts: Annotated[float, typer.Option(min=0, max=1, help="Fraction cut off in the middle.")] = 0.0,
    garbage: Annotated[float, typer.Option(min=0, max=1, help="Fraction answered with something else.")] = 0.0,
    lies: Annotated[float, typer.Option(min=0, max=1, help="Fraction answered about other days.")] = 0.0,
    slow_seconds: Annotated[float, typer.Option(min=0, max=600, help="How long each answer takes.")] = 0.0,
) -> None:
    """Serve a made-up market in a vendor's formats on this machine, as badly as it is told to."""
    from factorloom.fake_vendors.commands import fake_vendor as run
    from factorloom.fake_vendors.server import Faults

    run(
        name,
        port=port,
        n_companies=companies,
        faults=Faults(errors, refusals, cuts, garbage, lies, slow_seconds),
        say=print,
    )


@imports.command()
def prices(
    file: ImportedFile,
    mapping: MappingFile = None,
    currency: CurrencyCode = None,
    adjustment: Annotated[
        str | None, typer.Option(help="What prices are adjusted for: none, splits or splits_dividends.")
    ] = None,
) -> None:
    """Bring in daily bars: symbol, date, open, high, low, close, volume."""
    _import("prices", file, mapping, currency_code=currency, adjustment=adjustment)


@imports.command()
def instruments(file: ImportedFile, mapping: MappingFile = None, currency: CurrencyCode = None) -> None:
    """Bring in instruments: symbol, and what is known of it."""
    _import("instruments", file, mapping, currency_code=currency)


@imports.command()
def fundamentals(
    file: ImportedFile,
    mapping: MappingFile = None,
    currency: CurrencyCode = None,
    statement: Annotated[str | None, typer.Option(help="Which report: annual or quarterly.")] = None,
) -> None:
    """Bring in company statements: symbol, period_end_date, and the figures."""
    _import("fundamentals", file, mapping, currency_code=currency, statement=statement)


def _import(kind: str, file: Path, mapping: Path | None, **constants: str | None) -> None:
    from factorloom.importing import import_file, next_step, table_of

    ingested = import_file(_settings(), kind, file, mapping, **constants)
    Console().print(table_of(ingested))
    if (sentence := next_step(ingested)) is not None:
        print(sentence)


@commands.command()
def doctor() -> None:
    """Say what is wrong with this installation, and what to do about it."""
    from factorloom.doctor import diagnose, table_of

    findings = diagnose()
    Console().print(table_of(findings))
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)


@commands.command(hidden=True)
def prepare() -> None:
    """Bring databases, Dagster's storage and the dbt manifest up to date, as `up` does before it starts anything."""
    from factorloom.environment import apply_environment
    from factorloom.preparation import prepare_databases, prepare_manifest

    settings = _settings()
    apply_environment(settings)
    prepare_databases(settings, print)
    prepare_manifest(print)


@commands.command(hidden=True)
def manifest() -> None:
    """Parse the dbt project."""
    from factorloom.environment import apply_environment
    from factorloom.preparation import prepare_manifest

    apply_environment(_settings())
    prepare_manifest(print)


@commands.command(hidden=True)
def serve(
    service: Annotated[str, typer.Argument(help="code-server, webserver, daemon or api")],
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    code_server_host: Annotated[str, typer.Option(help="Where the code server is.")] = "127.0.0.1",
    read_only: Annotated[bool, typer.Option(help="webserver: refuse every change.")] = False,
) -> None:
    """Run one service in this process, as `up` and the containers do."""
    from factorloom.serve import serve as run

    _require_service(service)
    run(_settings(), service, host=host, code_server_host=code_server_host, is_read_only=read_only)


@commands.command(hidden=True)
def healthy(
    service: Annotated[str, typer.Argument(help="code-server, webserver, daemon or api")],
    host: Annotated[str, typer.Option(help="Where it is; for the daemon, where the webserver is.")] = "127.0.0.1",
) -> None:
    """Ask a service whether it does its work; status 1 when it does not."""
    from factorloom.services import check_of

    _require_service(service)
    if not check_of(_settings(), service, host)():
        print(f"{service}: no answer from {host}")
        raise typer.Exit(1)


@db.command()
def upgrade() -> None:
    """Create the databases where they are ours, and apply what is missing to the warehouse and to Dagster's storage."""
    from factorloom.environment import apply_environment
    from factorloom.preparation import prepare_databases

    settings = _settings()
    apply_environment(settings)
    prepare_databases(settings, print)


@db.command()
def stop() -> None:
    """Stop the embedded PostgreSQL; refused while `factorloom up` keeps it."""
    from factorloom.errors import AlreadyRunning
    from factorloom.home_lock import running_supervisor
    from warehouse.connect import embedded_server

    settings = _settings()
    supervisor = running_supervisor(settings.home.resolve())
    if supervisor is not None:
        raise AlreadyRunning(settings.home.resolve(), supervisor)
    if settings.is_embedded:
        embedded_server(settings).stop()


@db.command(context_settings=PASS_THROUGH)
def psql(context: typer.Context) -> None:
    """Open the warehouse in psql; everything after it is passed on, for example `db psql -c 'select 1'`."""
    from warehouse.connect import owner_url
    from warehouse.dump import client_environment, program
    from warehouse.migrate import prepare

    settings = _settings()
    if settings.is_embedded:
        prepare(settings)
    executable = program(settings, "psql")
    environment = {**os.environ, **client_environment(owner_url(settings))}
    os.execve(executable, [str(executable), *context.args], environment)  # noqa: S606 - the user's own arguments


@db.command()
def dump(file: Annotated[Path, typer.Argument(help="File to write, in PostgreSQL's custom format.")]) -> None:
    """Copy the whole warehouse into a file."""
    from warehouse.dump import dump as write
    from warehouse.migrate import prepare

    settings = _settings()
    if settings.is_embedded:
        prepare(settings)
    write(settings, file)
    print(f"Wrote {file} ({file.stat().st_size / 1024**2:.1f} MB).")


@db.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File that `db dump` wrote.")],
    clean: Annotated[bool, typer.Option("--clean", help="Replace a warehouse that holds data.")] = False,
) -> None:
    """Fill a fresh database from a file and put it in the warehouse's place; a failure changes nothing."""
    from warehouse.connect import owner_url
    from warehouse.dump import restore as read
    from warehouse.migrate import upgrade as migrate

    settings = _settings()
    read(settings, file, clean=clean)
    migrate(owner_url(settings))
    print(f"Restored {file}.")


def _require_service(name: str) -> None:
    from factorloom.serve import SERVICES

    if name not in SERVICES:
        raise typer.BadParameter(f"must be one of {', '.join(SERVICES)}; got {name!r}", param_hint="SERVICE")


def _settings() -> "Settings":
    from warehouse.settings import current_settings

    return current_settings()
