"""Sections of the report, one module each: a function from what was gathered to sections, none where there is nothing.

`build_report` says their order. A section chooses rows and writes sentences; it fits nothing and draws no mark itself.
"""
