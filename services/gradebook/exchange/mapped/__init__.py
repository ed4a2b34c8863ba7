"""Mapped tables: any XLSX, CSV, HTML table or JSON that another journal exports, read by a declarative map.

`mapping` is the map, `reading` and `json_reading` turn a file into facts, `directory` knows the school's journal,
`adapting` turns facts into records, and `importing` takes them like every other import. See `docs/mapped-tables.md`.
"""
