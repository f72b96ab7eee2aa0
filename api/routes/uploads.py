"""/v1/import/bars: daily bars that somebody sends in, kept here and taken over by a job."""

import asyncio
import hashlib
import tempfile
import uuid
from typing import Any, BinaryIO

from litestar import Request, Response
from litestar.di import NamedDependency

from api.answers import One
from api.database import Database
from api.errors import ParameterError
from api.identity.principal import Principal
from api.refusals import UploadRefused
from api.routes import jobs
from api.writes import KeyNeeded, Write
from warehouse.queries import uploads
from warehouse.queries.uploads import NewUpload
from warehouse.records.errors import UploadRefused as RecordsRefused
from warehouse.records.job_parameters import UploadParameters
from warehouse.records.jobs import Job
from warehouse.uploads import ARROW, MAX_BYTES, NDJSON, read_bars

EXAMPLE = (
    '{"source_symbol": "ACME", "trade_date": "2024-06-27", "open": 10.0, "high": 11.0, "low": 9.5, "close": 10.5, '
    '"volume": 1000, "currency_code": "USD"}\n'
)


@jobs.asking(
    "/import/bars",
    operation_id="import_bars",
    summary="Send in daily bars",
    scope="admin",
    media_types=(NDJSON, ARROW),
    bodies={
        NDJSON: {"schema": {"type": "string"}, "example": EXAMPLE},
        ARROW: {"schema": {"type": "string", "format": "binary"}},
    },
    max_body_bytes=MAX_BYTES,
)
async def import_bars(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    idempotency_key: KeyNeeded,
) -> Response[One[Job]]:
    """Send in daily bars of any instruments and days: one JSON object a line, or an Arrow stream of the same columns.

    Columns are source_symbol, trade_date, open, high, low, close, volume and currency_code; adjustment (none, splits,
    splits_dividends) and vendor_close_adj may be left out. At most 64 MB and 1,000,000 bars. A body that has not this
    form is refused with its line, and nothing of it is kept; the answer is else a job of kind `upload`. It holds each
    bar against the rules of all prices, stores it under the source `import`, which counts after all others, or puts it
    into quarantine; its result says how many were received, stored and quarantined. The same bars again change nothing.
    """
    # A file, since bodies may be large and a connection to the database is not to be held while one arrives.
    with tempfile.TemporaryFile() as file:
        content_hash, n_bytes = await _receive(request, file)
        upload = NewUpload(
            upload_id=uuid.uuid4(),
            media_type=request.content_type[0],
            content_hash=content_hash,
            n_rows=await asyncio.to_thread(_count, file, request.content_type[0]),
            n_bytes=n_bytes,
        )

        async def keep(write: Write) -> None:
            await uploads.insert(write.transaction, write.user_id, upload, file, now=write.now)
            write.note("bars.uploaded", str(upload.upload_id), content_hash=content_hash, n_rows=upload.n_rows)

        asked = UploadParameters(upload_id=upload.upload_id)
        return await jobs.ask(
            request, database, principal, "upload", asked, idempotency_key, also=keep, body_hash=content_hash
        )


async def _receive(request: Request[Any, Any, Any], file: BinaryIO) -> tuple[str, int]:
    """Write the body to a file as it arrives; return its hash and size."""
    digest = hashlib.sha256()
    n_bytes = 0
    async for chunk in request.stream():
        file.write(chunk)
        digest.update(chunk)
        n_bytes += len(chunk)
    return digest.hexdigest(), n_bytes


def _count(file: BinaryIO, media_type: str) -> int:
    """Return how many bars a file holds, all of which have the form of one.

    Raises
    ------
    UploadRefused
        With the first that has not.
    """
    try:
        return sum(batch.num_rows for batch in read_bars(file, media_type))
    except RecordsRefused as refused:
        pointer = None if refused.row is None else f"/rows/{refused.row}"
        raise UploadRefused(
            str(refused), errors=[ParameterError(code="invalid", message=str(refused), pointer=pointer)]
        ) from refused
