"""One call from its arguments to its value, and what client, resources and bulk runs share."""
