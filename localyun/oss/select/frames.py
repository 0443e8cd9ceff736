"""The binary frames of the responses of SelectObject and CreateSelectObjectMeta.

Each has a version and type, the length of the payload, an unused checksum of the header, the payload, and its CRC-32,
which is 0 unless requested. Source: the vendor's SDKs (Python 2.19.1: oss2/select_response.py), read 2026-12.
"""

import struct
import zlib

VERSION = 1
DATA, END, CSV_META_END, JSON_META_END = 0x800001, 0x800005, 0x800006, 0x800007


def frame(kind: int, payload: bytes, *, crc: bool = False) -> bytes:
    """Return a frame."""
    head = struct.pack(">III", VERSION << 24 | kind, len(payload), 0)
    return head + payload + struct.pack(">I", zlib.crc32(payload) if crc else 0)


def data(offset: int, content: bytes, *, crc: bool = False) -> bytes:
    """Return a frame with a part of the result, and how many bytes of the object were read for it."""
    return frame(DATA, struct.pack(">Q", offset) + content, crc=crc)


def end(scanned: int, status: int, error: str, *, crc: bool = False) -> bytes:
    """Return the last frame of a result, with the status 206, or that of an error."""
    return frame(END, struct.pack(">QQI", scanned, scanned, status) + error.encode(), crc=crc)


def meta_end(scanned: int, splits: int, rows: int, columns: int | None) -> bytes:
    """Return the frame with the counts of an object; JSON has no columns."""
    counts = struct.pack(">QQIIQ", scanned, scanned, 200, splits, rows)
    if columns is None:
        return frame(JSON_META_END, counts, crc=True)
    return frame(CSV_META_END, counts + struct.pack(">I", columns), crc=True)
