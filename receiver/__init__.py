"""The receiver: takes the pushes of DRS, keeps them whole, and answers."""
