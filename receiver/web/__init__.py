"""HTTP: the door for DRS, and what operators ask."""
