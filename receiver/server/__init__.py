"""The HTTP server: gunicorn, with a worker that slow clients cannot stop."""
