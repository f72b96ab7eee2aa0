"""Run by Alembic: connect, then apply what is missing in one transaction per revision."""

from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
with engine.connect() as connection:
    # Two starts at once: the second waits here and then finds nothing to do.
    connection.exec_driver_sql("select pg_advisory_lock(4210512)")
    connection.commit()
    context.configure(connection=connection, version_table_schema="public", transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
