"""What people decided about records, and replays with what came of them."""
