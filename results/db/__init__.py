"""The database: schema, connection, store, writer and claims."""

DEFAULT_DB = "runs/empathy.sqlite"
