"""The HTML report: one self-contained page, made from tables and charts that are finished when they arrive here."""
