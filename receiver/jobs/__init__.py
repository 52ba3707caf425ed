"""What runs beside the answering of pushes: emptying the spool, keeping house."""
