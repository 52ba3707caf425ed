"""People: accounts, sessions, signing in, and the trail of what they did."""
