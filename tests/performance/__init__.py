"""Speed, measured as ratios: the receiver beside the floor and its peers, one at a time and in turns."""
