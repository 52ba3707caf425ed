"""Figures kept beside the pushes: counts by the hour, times of replies, causes of what is held."""
