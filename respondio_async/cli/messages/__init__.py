"""`respondio messages …`."""
