"""Mails: how they are written, and how they reach the mail server."""
