"""SelectObject without HTTP: SQL over the records of one CSV or JSON object.

`sql` parses a statement, `expressions` evaluates its conditions, `csv_rows` and `json_rows` read records, `query` runs
a statement over them, and `frames` packs the result. Facts: the vendor's SDK tests (Python, 2.19.1 and 2.0), and the
OSS API reference, SelectObject and CreateSelectObjectMeta, read 2026-12.
"""
