"""Every setting of an installation, read once, typed, with all problems listed at once.

The variables and their meaning are listed in `.env.example`. A secret `X` may also be given as `X_FILE`, the path of a
file that holds it. Values come from the environment, then from `.env` in the working directory. Vendors' variables
follow a pattern, so that a further vendor needs none of its own here.
"""

import os
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from warehouse.errors import SettingsError
from warehouse.settings_of_identity import LOOPBACK as LOOPBACK
from warehouse.settings_of_identity import identity_problems

PREFIX = "FACTORLOOM_"
# Names that other programs know too.
UNPREFIXED = {
    "database_url": "DATABASE_URL",
    "dagster_database_url": "DAGSTER_DATABASE_URL",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
}
SECRETS = (
    "DATABASE_URL",
    "DAGSTER_DATABASE_URL",
    "FACTORLOOM_API_DATABASE_URL",
    "FACTORLOOM_API_READ_DATABASE_URL",
    "FACTORLOOM_SMTP_URL",
    "FACTORLOOM_SIGNING_KEYS",
    "FACTORLOOM_ENCRYPTION_KEYS",
    "FACTORLOOM_OIDC_CLIENT_SECRET",
)
VENDOR_VARIABLE = re.compile(rf"{PREFIX}([A-Z0-9_]+)_(API_KEY|PRIVATE_KEY|BASE_URL|PLAN)")
VENDOR_SECRETS = ("api_key", "private_key")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
# Requests a minute and client, where the API can be reached from other machines.
RATE_LIMIT = 1_200
# Ours, but no settings: what we hand to dbt and Dagster, and what only tests read.
INTERNAL = (f"{PREFIX}DBT_", f"{PREFIX}DAGSTER_", f"{PREFIX}REAL_DATA", f"{PREFIX}TEST_")


class VendorSettings(BaseModel):
    """What a vendor wants to know, and where it is asked; `FACTORLOOM_<SOURCE>_API_KEY` and so on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr | None = None
    private_key: SecretStr | None = None
    base_url: str | None = None
    plan: str | None = None


class Settings(BaseModel):
    """The settings of one installation; see `.env.example` for each variable. `read_settings` reads them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Path(".factorloom")
    artifacts: str | None = None
    database_url: SecretStr | None = None
    dagster_database_url: SecretStr | None = None
    api_database_url: SecretStr | None = None
    api_read_database_url: SecretStr | None = None

    now: datetime | None = None
    calendar: str = "XNYS"
    reporting_currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")

    source: str = Field(default="simulated", pattern=r"^[a-z][a-z0-9_]*$")
    simulated_instruments: int = Field(default=500, ge=20, le=10_000)
    simulated_first_session: date = date(2020, 12, 1)
    simulated_last_session: date | None = None
    simulated_seed: int = Field(default=1, ge=0)
    simulated_alpha: float = Field(default=1.0, ge=0, le=5)
    simulated_defect_rate: float = Field(default=0.0005, ge=0, le=0.2)
    files_folder: Path | None = None
    files_mapping: Path | None = None

    live_first_session: date = date(2025, 1, 2)
    live_symbols: tuple[str, ...] = ()
    live_benchmark: str = "SPY"
    live_fallbacks: tuple[str, ...] = ()
    vendors: Mapping[str, VendorSettings] = {}

    models_file: Path | None = None
    threads: int = Field(default=2, ge=1, le=256)
    intraday_minutes: int = Field(default=5, ge=1, le=60)
    quote_ttl_seconds: int = Field(default=20, ge=15, le=30)
    history_ttl_hours: int = Field(default=24, ge=0, le=168)

    ui_port: int = Field(default=3000, ge=1, le=65_535)
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=1, le=65_535)
    api_rate_limit: int | None = Field(default=None, ge=0, le=1_000_000)
    api_cors_origins: tuple[str, ...] = ()
    api_trusted_proxies: tuple[str, ...] = ()
    api_metrics_host: str = "127.0.0.1"
    api_metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    api_anonymous: bool = True
    api_registration: bool = True
    signing_keys: SecretStr | None = None
    encryption_keys: SecretStr | None = None
    oauth_clients: tuple[str, ...] = ("desktop=http://127.0.0.1/callback",)
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    code_server_port: int = Field(default=4266, ge=1, le=65_535)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+[^\s?#]*$")
    webhook_allow: tuple[str, ...] = ()
    smtp_url: SecretStr | None = None
    mail_from: str | None = Field(default=None, pattern=r"^[^@\s<>]+@[A-Za-z0-9.-]+$")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://\S+$")

    @field_validator(
        "webhook_allow",
        "oauth_clients",
        "live_symbols",
        "live_fallbacks",
        "api_cors_origins",
        "api_trusted_proxies",
        mode="before",
    )
    @classmethod
    def _split_list(cls, given: Any) -> Any:
        return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = [
            *self._clock_problems(),
            *self._source_problems(),
            *self._webhook_problems(),
            *self._mail_problems(),
            *identity_problems(self),
            *self._port_problems(),
            *self._database_problems(),
            *self._api_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _clock_problems(self) -> list[str]:
        if self.now is not None and self.now.tzinfo is None:
            return [f"FACTORLOOM_NOW must carry a time zone; got {self.now.isoformat()}. Append Z for UTC"]
        return []

    def _source_problems(self) -> list[str]:
        problems = []
        if self.source == "files" and self.files_folder is None:
            problems.append("FACTORLOOM_FILES_FOLDER must be set when FACTORLOOM_SOURCE=files")
        if self.files_folder is not None and not self.files_folder.is_dir():
            problems.append(f"FACTORLOOM_FILES_FOLDER must be a folder; got {self.files_folder}")
        if self.files_mapping is not None and not self.files_mapping.is_file():
            problems.append(f"FACTORLOOM_FILES_MAPPING must be a file; got {self.files_mapping}")
        if self.models_file is not None and not self.models_file.is_file():
            problems.append(f"FACTORLOOM_MODELS_FILE must be a file; got {self.models_file}")
        last = self.simulated_last_session
        if last is not None and last <= self.simulated_first_session:
            problems.append(
                "FACTORLOOM_SIMULATED_LAST_SESSION must be after FACTORLOOM_SIMULATED_FIRST_SESSION; "
                f"got {last} and {self.simulated_first_session}"
            )
        return problems

    def _webhook_problems(self) -> list[str]:
        problems = []
        if self.webhook_allow and self.api_host not in LOOPBACK:
            problems.append(
                "FACTORLOOM_WEBHOOK_ALLOW may be set only while FACTORLOOM_API_HOST is a loopback address; "
                f"got {self.api_host}"
            )
        for entry in self.webhook_allow:
            host, _, port = entry.rpartition(":")
            if not host or not port.isdigit():
                problems.append(f"FACTORLOOM_WEBHOOK_ALLOW must list host:port; got {entry!r}")
        return problems

    def _mail_problems(self) -> list[str]:
        problems = []
        if (self.smtp_url is None) != (self.mail_from is None):
            problems.append("FACTORLOOM_SMTP_URL and FACTORLOOM_MAIL_FROM must be set together")
        if self.smtp_url is not None and not _is_mail_server(self.smtp_url.get_secret_value()):
            problems.append(
                "FACTORLOOM_SMTP_URL must be smtp://user:password@host:port or smtps://..., special characters "
                "percent-encoded (the value is not shown)"
            )
        return problems

    def _port_problems(self) -> list[str]:
        ports = {
            "FACTORLOOM_UI_PORT": self.ui_port,
            "FACTORLOOM_API_PORT": self.api_port,
            "FACTORLOOM_CODE_SERVER_PORT": self.code_server_port,
        }
        if self.api_metrics_port is not None:
            ports["FACTORLOOM_API_METRICS_PORT"] = self.api_metrics_port
        if len(set(ports.values())) == len(ports):
            return []
        *names, last = ports
        return [f"{', '.join(names)} and {last} must differ; got {', '.join(map(str, ports.values()))}"]

    def _api_problems(self) -> list[str]:
        problems = [
            f"FACTORLOOM_API_CORS_ORIGINS must list origins such as https://desk.example.com; got {origin!r}"
            for origin in self.api_cors_origins
            if not ORIGIN.fullmatch(origin)
        ]
        for proxy in self.api_trusted_proxies:
            try:
                ip_network(proxy)
            except ValueError:
                problems.append(f"FACTORLOOM_API_TRUSTED_PROXIES must list addresses or networks; got {proxy!r}")
        return problems

    def _database_problems(self) -> list[str]:
        problems = []
        urls = {
            "DATABASE_URL": self.database_url,
            "DAGSTER_DATABASE_URL": self.dagster_database_url,
            "FACTORLOOM_API_DATABASE_URL": self.api_database_url,
            "FACTORLOOM_API_READ_DATABASE_URL": self.api_read_database_url,
        }
        for name, secret in urls.items():
            if secret is not None and not _is_database_address(secret.get_secret_value()):
                problems.append(
                    f"{name} must be postgresql://user:password@host:port/database, special characters "
                    "percent-encoded (the value is not shown)"
                )
        if self.database_url is not None and self.dagster_database_url is None:
            problems.append("DAGSTER_DATABASE_URL must be set when DATABASE_URL is: Dagster keeps its own database")
        return problems

    def listening_on(self, host: str) -> Self:
        """Return these settings with the API on another address: what holds for FACTORLOOM_API_HOST holds for it.

        Raises
        ------
        SettingsError
            Where the other settings do not go with it.
        """
        try:
            return self.model_validate({**dict(self), "api_host": host})
        except ValidationError as error:
            raise SettingsError(_sentences(error)) from error

    @property
    def requests_per_minute(self) -> int:
        """What one client may ask the API a minute, 0 = as often as it likes: the owner on this machine by default."""
        if self.api_rate_limit is not None:
            return self.api_rate_limit
        return 0 if self.api_host in LOOPBACK else RATE_LIMIT

    @property
    def is_embedded(self) -> bool:
        """True when we run PostgreSQL ourselves, below `home`."""
        return self.database_url is None

    @property
    def public_address(self) -> str:
        """Address under which people reach the API, without a slash at its end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.api_host, self.api_host)  # noqa: S104 - compared, not bound
        host = f"[{host}]" if ":" in host else host
        return (self.public_url or f"http://{host}:{self.api_port}").rstrip("/")

    @property
    def artifacts_uri(self) -> str:
        """Folder or object store for model files and reports."""
        return self.artifacts or str(self.home.resolve() / "artifacts")


def read_settings(environment: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Settings:
    """Read the settings from the environment and from `.env` in the working directory; the environment goes first.

    Parameters
    ----------
    environment
        In place of this process's.
    folder
        In place of the working directory.

    Raises
    ------
    SettingsError
        With every problem that was found, not only the first.
    """
    in_file = dotenv_values((folder or Path.cwd()) / ".env")
    outer = os.environ if environment is None else environment
    given = {name: value for name, value in {**in_file, **outer}.items() if value}
    secrets, problems = _secrets_from_files(given)
    problems = [*_unknown_variables(given), *problems]
    texts = {**given, **secrets}
    values: dict[str, Any] = {field: texts[name] for name, field in variables().items() if name in texts}
    values["vendors"] = _vendors(texts)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += _sentences(error)
        problems += _remaining_problems(values, error)
    if problems:
        raise SettingsError(problems)
    return settings


@lru_cache(maxsize=1)
def current_settings() -> Settings:
    """Return the settings of this process; read at the first call."""
    return read_settings()


def variables() -> dict[str, str]:
    """Return the variable of each field: {variable: field}."""
    fields = (field for field in Settings.model_fields if field != "vendors")
    return {UNPREFIXED.get(field, f"{PREFIX}{field.upper()}"): field for field in fields}


def _is_database_address(text: str) -> bool:
    """Tell whether a text is an address that libpq and the tools on top of it understand."""
    try:
        parts = urlsplit(text)
        has_database = bool(parts.path.strip("/"))
        return parts.scheme in ("postgresql", "postgres") and parts.port != 0 and has_database
    except ValueError:  # a port that is no number, or half of an IPv6 address
        return False


def _is_mail_server(text: str) -> bool:
    """Tell whether a text is an address that mail can be handed in at."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half of an IPv6 address
        return False


def _unknown_variables(given: Mapping[str, str]) -> list[str]:
    known = {*variables(), *(f"{name}_FILE" for name in _secrets(given))}
    return [
        f"{name} is not a setting of Factorloom; see .env.example for those that are"
        for name in sorted(given)
        if name.startswith(PREFIX)
        and name not in known
        and not name.startswith(INTERNAL)
        and not VENDOR_VARIABLE.fullmatch(name)
    ]


def _vendors(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the variables of vendors by the name of the vendor and of the field."""
    vendors: dict[str, dict[str, str]] = {}
    for name, value in texts.items():
        if (found := VENDOR_VARIABLE.fullmatch(name)) and name not in variables():
            vendors.setdefault(found[1].lower(), {})[found[2].lower()] = value
    return vendors


def _secrets(given: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets: ours, and those of vendors that are given by value or by file."""
    names = {name.removesuffix("_FILE") for name in given}
    matches = (VENDOR_VARIABLE.fullmatch(name) for name in sorted(names))
    return [*SECRETS, *(found[0] for found in matches if found and found[2].lower() in VENDOR_SECRETS)]


def _secrets_from_files(given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the content of each `X_FILE` as `X`, and what is wrong with them."""
    secrets, problems = {}, []
    for name in _secrets(given):
        path = given.get(f"{name}_FILE")
        if path is None:
            continue
        if name in given:
            problems.append(f"{name} and {name}_FILE must not both be set")
            continue
        try:
            secrets[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it holds no text"
            problems.append(f"{name}_FILE must name a readable file; got {path} ({reason})")
    return secrets, problems


def _sentences(error: ValidationError) -> list[str]:
    """Say each problem with the variable's name; the values of secrets are left out."""
    names = {field: variable for variable, field in variables().items()}
    sentences = []
    for problem in error.errors():
        if not problem["loc"]:
            sentences += str(problem["msg"]).removeprefix("Value error, ").splitlines()
            continue
        field, *inner = map(str, problem["loc"])
        variable = names[field] if field in names else PREFIX + "_".join(inner).upper()
        given = "" if variable in SECRETS or field not in names else f"; got {problem.get('input')!r}"
        sentences.append(f"{variable}: {problem['msg']}{given}")
    return sentences


def _remaining_problems(values: Mapping[str, Any], error: ValidationError) -> list[str]:
    """Say what the other variables do wrong together, which pydantic checks only when each is right by itself."""
    wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
    if not wrong:
        return []
    try:
        Settings.model_validate({field: value for field, value in values.items() if field not in wrong})
    except ValidationError as second:
        return _sentences(second)
    return []
