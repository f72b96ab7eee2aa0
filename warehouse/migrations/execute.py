"""How a revision applies its SQL file."""

from pathlib import Path

from alembic import op


def execute_file(name: str) -> None:
    """Execute `sql/<name>` as it stands, without looking for parameters in it."""
    sql = (Path(__file__).parent / "sql" / name).read_text(encoding="utf-8")
    cursor = op.get_bind().connection.cursor()
    cursor.execute(sql)
