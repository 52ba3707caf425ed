"""Slow senders, and what the others notice of them."""
