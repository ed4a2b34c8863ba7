"""What every service stands on: settings, database, outbox, inbox, consuming, timers, health, metrics, auth.

No word of the domain appears here.
"""
