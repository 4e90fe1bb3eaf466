"""How the tables of a store came to be as they are. `upgrade` runs migrations; `python -m pilots.storage.migrations` adds one."""
