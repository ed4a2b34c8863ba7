"""The rules themselves, without a database: drivers in memory that store what the tables store, and a state machine."""
