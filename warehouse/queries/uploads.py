"""Files that were sent in for a job, in pieces."""

import datetime as dt
from typing import BinaryIO
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from warehouse.queries.reader import Writer

PIECE_BYTES = 1_000_000

INSERT = """
insert into app.uploads (upload_id, user_id, media_type, content_hash, n_rows, n_bytes, created_at)
values (
    %(upload_id)s, %(user_id)s, %(media_type)s, %(content_hash)s, %(n_rows)s, %(n_bytes)s, %(created_at)s
)
"""

INSERT_PIECE = """
insert into app.upload_pieces (upload_id, piece, user_id, content)
values (%(upload_id)s, %(piece)s, %(user_id)s, %(content)b)
"""

ONE = """
select media_type, n_rows from app.uploads
where upload_id = %(upload_id)s and (%(user_id)s::uuid is null or user_id = %(user_id)s::uuid)
"""

PIECE = "select content from app.upload_pieces where upload_id = %(upload_id)s and piece = %(piece)s"

DELETE_OLD = "delete from app.uploads where created_at < %(before)s"


class NewUpload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that has come: what `app.uploads` says of it."""

    upload_id: UUID
    media_type: str
    content_hash: str
    n_rows: int
    n_bytes: int


class Upload(msgspec.Struct, frozen=True):
    """A file to be read: its media type, and how many rows it has."""

    media_type: str
    n_rows: int


async def insert(writer: Writer, user_id: UUID, upload: NewUpload, file: BinaryIO, *, now: dt.datetime) -> None:
    """Store a file from its start, a piece at a time."""
    of = {"upload_id": upload.upload_id, "user_id": user_id}
    await writer.execute(INSERT, {**msgspec.structs.asdict(upload), **of, "created_at": now})
    file.seek(0)
    piece = 0
    while content := file.read(PIECE_BYTES):
        await writer.execute(INSERT_PIECE, {**of, "piece": piece, "content": content})
        piece += 1


def fetch(
    connection: psycopg.Connection, upload_id: UUID | str, into: BinaryIO, *, user_id: UUID | str | None
) -> Upload | None:
    """Write the content of an upload to a file, a piece at a time; None where there is none, or it is not the user's.

    Parameters
    ----------
    user_id
        Whose it must be; None is whoever's it is.
    """
    with connection.cursor(row_factory=class_row(Upload)) as cursor:
        upload = cursor.execute(ONE, {"upload_id": upload_id, "user_id": user_id}).fetchone()
    piece = 0
    while upload and (row := connection.execute(PIECE, {"upload_id": upload_id, "piece": piece}).fetchone()):
        into.write(row[0])
        piece += 1
    return upload
