"""Alembic's entry point: it is always handed an open connection by `worker.store.migrate`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
