"""Alembic's entry: runs the migrations on the connection that `idp.store.migrations` hands over."""

from alembic import context

from idp.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, compare_type=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
