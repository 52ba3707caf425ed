"""Faults: the real receiver under load while something breaks, and an audit of what it kept of what it was told."""
