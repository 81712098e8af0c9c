"""The database: schema, connection, store, writer and claims."""
