"""SelectObject without HTTP: SQL over the records of one CSV or JSON object.

sql  the statements, parsed
expressions  values and operators
csv_rows  the records of a CSV object
json_rows  the records of a JSON object
query  a statement over records, and the format of what it selects
frames  the binary frames of responses

Facts: the vendor's SDK tests (Python, 2.19.1 and 2.0), and the OSS API reference, SelectObject and
CreateSelectObjectMeta, read 2026-12.
"""
