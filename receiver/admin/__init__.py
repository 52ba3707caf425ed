"""Pages for people: find what came in, understand it, put it right. A site of its own below ``/admin/``."""
