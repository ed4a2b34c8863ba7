"""The 24 hours as pure rules: states, routes, deadlines, grouping, the ledger's chain. No I/O and no clock in here."""
