"""The quick way in: most pushes stored by one round trip."""
