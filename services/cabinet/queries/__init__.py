"""The cabinet's SQL: written by hand, one query per function.

`projection` and `acknowledging` work for the whole district, `accounts` signs people in, `reading` reads for one.
"""
