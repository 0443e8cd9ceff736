"""Digital silence of exact length, as FLAC: a few bytes a second, and a source like any other. Pure.

OSS joins objects and cannot insert silence; so a gap is an object, made once for a rate, a number of channels and a
length. Every frame is one constant subframe a channel. Format: RFC 9639, "Free Lossless Audio Codec", sections 8 and 9.
"""

from collections.abc import Iterator
from functools import lru_cache

BLOCK = 4096
_BITS = 16
_SUBFRAME_CONSTANT_ZERO = b"\x00\x00\x00"  # a type byte, then one 16-bit sample
# Sample rates that a frame header can name by a number of four bits (RFC 9639, table 15); others are in STREAMINFO.
_RATES = {88200: 1, 8000: 4, 16000: 5, 22050: 6, 24000: 7, 32000: 8, 44100: 9, 48000: 10, 96000: 11}


def samples_of(milliseconds: int, sample_rate: int) -> int:
    """Convert a length to samples, halves rounded up.

    >>> samples_of(300, 44100)
    13230
    """
    return (milliseconds * sample_rate + 500) // 1000


def silence_flac(samples: int, sample_rate: int, channels: int) -> bytes:
    """Write `samples` of silence; at least one."""
    frames = b"".join(_frames(samples, sample_rate, channels))
    return b"fLaC" + b"\x80" + (34).to_bytes(3, "big") + _stream_info(samples, sample_rate, channels) + frames


def _stream_info(samples: int, sample_rate: int, channels: int) -> bytes:
    """Write the STREAMINFO block; frame sizes and MD5 are left unknown, as the format allows."""
    packed = (sample_rate << 44) | ((channels - 1) << 41) | ((_BITS - 1) << 36) | samples
    return BLOCK.to_bytes(2, "big") * 2 + bytes(6) + packed.to_bytes(8, "big") + bytes(16)


def _frames(samples: int, sample_rate: int, channels: int) -> Iterator[bytes]:
    """Yield the frames: full blocks, then what remains."""
    for number, start in enumerate(range(0, samples, BLOCK)):
        yield _frame(number, min(BLOCK, samples - start), sample_rate, channels)


def _frame(number: int, size: int, sample_rate: int, channels: int) -> bytes:
    """Write one frame: header with CRC-8, a constant subframe for each channel, CRC-16."""
    block_bits, block_tail = (0b1100, b"") if size == BLOCK else (0b0111, (size - 1).to_bytes(2, "big"))
    rate_bits = _RATES.get(sample_rate, 0)
    codes = bytes([(block_bits << 4) | rate_bits, ((channels - 1) << 4) | 0b1000])
    header = b"\xff\xf8" + codes + _coded(number) + block_tail
    body = header + bytes([_crc(header, 8, 0x07)]) + _SUBFRAME_CONSTANT_ZERO * channels
    return body + _crc(body, 16, 0x8005).to_bytes(2, "big")


def _coded(number: int) -> bytes:
    """Write a frame's number, coded as UTF-8 codes characters, up to six bytes."""
    if number < 0x80:
        return bytes([number])
    tail: list[int] = []
    while number >= 1 << (6 - len(tail)):
        tail.insert(0, 0x80 | (number & 0x3F))
        number >>= 6
    return bytes([(0xFF00 >> (len(tail) + 1)) & 0xFF | number, *tail])


def _crc(data: bytes, width: int, polynomial: int) -> int:
    """Compute a CRC, most significant bit first, from zero."""
    table, mask, value = _table(width, polynomial), (1 << width) - 1, 0
    for byte in data:
        value = (value << 8) & mask ^ table[value >> (width - 8) ^ byte]
    return value


@lru_cache
def _table(width: int, polynomial: int) -> tuple[int, ...]:
    """Return what each byte does to a CRC: an hour of silence has ten thousand frames."""
    top, mask, table = 1 << (width - 1), (1 << width) - 1, []
    for byte in range(256):
        value = byte << (width - 8)
        for _ in range(8):
            value = ((value << 1) ^ polynomial) & mask if value & top else (value << 1) & mask
        table.append(value)
    return tuple(table)
