"""The database: inbox, current state, change feed. The only SQL."""
