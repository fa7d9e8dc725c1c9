"""The inbox on PostgreSQL, which any number of processes and machines share.

The engine is Procrastinate: each event is a job whose lock is its contact, so that a contact's
events are handled one after another, in the order of their arrival, whichever process is free. Ours
are the table of events (`_schema`), which knows them again after their jobs are gone, and the care
for processes that die (`_inbox`) and for a PostgreSQL that does (`_connection`).
"""

from ._inbox import PostgresInbox
from ._schema import migrate

__all__ = ["PostgresInbox", "migrate"]
