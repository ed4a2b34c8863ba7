"""The embedded stack: everything the services need, started as ordinary processes with no Docker and no root."""
