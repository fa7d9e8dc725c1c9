"""`respondio contacts …`."""
