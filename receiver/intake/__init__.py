"""The corridor's one page: a push received, and the transaction that holds all that came of it."""
