"""A silence of exact length as FLAC, in a few bytes per second. Pure.

OSS merges objects and cannot insert silence, so a gap is an object, one for each sample rate, number of channels and
length. A frame has one constant subframe per channel.

Format: RFC 9639, "Free Lossless Audio Codec", sections 8 and 9.
"""

from collections.abc import Callable
from functools import cache

BLOCK = 4096
_BITS = 16
_SUBFRAME_CONSTANT_ZERO = b"\x00\x00\x00"  # a type byte, then one 16-bit sample
# The codes of sample rates in a frame header (RFC 9639, table 15); 0 means that STREAMINFO has the rate.
_RATES = {88200: 1, 8000: 4, 16000: 5, 22050: 6, 24000: 7, 32000: 8, 44100: 9, 48000: 10, 96000: 11}
_Crc = Callable[[bytes], int]


def samples_of(milliseconds: int, sample_rate: int) -> int:
    """Return the samples of a duration, halves rounded up.

    >>> samples_of(300, 44100)
    13230
    """
    return (milliseconds * sample_rate + 500) // 1000


def silence_flac(samples: int, sample_rate: int, channels: int) -> bytes:
    """Return a FLAC file of at least one sample and at most 1,114,112 frames, which is 13 hours at 96 kHz."""
    starts = enumerate(range(0, samples, BLOCK))
    frames = b"".join(_frame(number, min(BLOCK, samples - start), sample_rate, channels) for number, start in starts)
    return b"fLaC" + b"\x80" + (34).to_bytes(3, "big") + _stream_info(samples, sample_rate, channels) + frames


def _stream_info(samples: int, sample_rate: int, channels: int) -> bytes:
    """Return the STREAMINFO block. Frame sizes and MD5 are unknown, as the format allows."""
    packed = (sample_rate << 44) | ((channels - 1) << 41) | ((_BITS - 1) << 36) | samples
    return BLOCK.to_bytes(2, "big") * 2 + bytes(6) + packed.to_bytes(8, "big") + bytes(16)


def _frame(number: int, size: int, sample_rate: int, channels: int) -> bytes:
    """Return a frame: header with CRC-8, a constant subframe for each channel, CRC-16."""
    crc_8, crc_16 = _crcs()
    block_bits, block_tail = (0b1100, b"") if size == BLOCK else (0b0111, (size - 1).to_bytes(2, "big"))
    codes = bytes([(block_bits << 4) | _RATES.get(sample_rate, 0), ((channels - 1) << 4) | 0b1000])
    coded_number = chr(number).encode("utf-8", "surrogatepass")  # the format codes frame numbers as UTF-8 does
    header = b"\xff\xf8" + codes + coded_number + block_tail
    body = header + bytes([crc_8(header)]) + _SUBFRAME_CONSTANT_ZERO * channels
    return body + crc_16(body).to_bytes(2, "big")


@cache
def _crcs() -> tuple[_Crc, _Crc]:
    """Return the CRC-8 and CRC-16 of FLAC."""
    import crcmod  # noqa: PLC0415 - only plans with silences need it

    return crcmod.mkCrcFun(0x107, initCrc=0, rev=False), crcmod.mkCrcFun(0x18005, initCrc=0, rev=False)
