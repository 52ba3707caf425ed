"""The spool: what becomes of pushes while the database is down."""
