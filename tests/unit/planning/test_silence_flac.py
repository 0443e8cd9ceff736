"""Silence as FLAC, decoded by a parser (RFC 9639) that shares no code with the encoder."""

from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipstitch.common.audio_formats import SAMPLE_RATES
from clipstitch.planning.silence_flac import BLOCK, samples_of, silence_flac

QUIET = settings(database=None, deadline=None, max_examples=60)
# RFC 9639, tables 14 and 15: what the four bits of block size and sample rate stand for.
BLOCK_SIZES = {1: 192} | {n: 144 << n for n in range(2, 6)} | {n: 1 << n for n in range(8, 16)}
RATES = {
    1: 88200,
    2: 176400,
    3: 192000,
    4: 8000,
    5: 16000,
    6: 22050,
    7: 24000,
    8: 32000,
    9: 44100,
    10: 48000,
    11: 96000,
}


def crc(data: bytes, width: int, polynomial: int) -> int:
    """Return a CRC, bit by bit, most significant bit first, from zero (RFC 9639, sections 9.1.8 and 9.3)."""
    value = 0
    for bit in "".join(f"{byte:08b}" for byte in data):
        carry = (value >> (width - 1)) ^ int(bit)
        value = (value << 1 & (1 << width) - 1) ^ (polynomial if carry else 0)
    return value


class Stream(NamedTuple):
    """The content of STREAMINFO."""

    least_block: int
    most_block: int
    sample_rate: int
    channels: int
    bits: int
    samples: int


class FlacFrame(NamedTuple):
    """The header of a frame, and the constant value of each channel."""

    number: int
    size: int
    sample_rate: int
    channels: int
    bits: int
    values: tuple[int, ...]


def stream_of(data: bytes) -> Stream:
    """Parse the marker and STREAMINFO, which must be the only metadata block."""
    assert b"fLaC" == data[:4]
    assert (0x80, 34) == (data[4], int.from_bytes(data[5:8], "big"))
    info = f"{int.from_bytes(data[8:42], 'big'):0272b}"
    numbers = [int(info[first:last], 2) for first, last in ((0, 16), (16, 32), (80, 100), (100, 103), (103, 108))]
    least, most, rate, channels, bits = numbers
    return Stream(least, most, rate, channels + 1, bits + 1, int(info[108:144], 2))


def frames_of(data: bytes, stream: Stream) -> list[FlacFrame]:
    """Parse all frames, which must fill the rest to the last byte."""
    frames, at = [], 42
    while at < len(data):
        frame, at = frame_at(data, at, stream)
        frames.append(frame)
    assert at == len(data)
    return frames


def frame_at(data: bytes, start: int, stream: Stream) -> tuple[FlacFrame, int]:
    """Return a frame and the place after it."""
    assert b"\xff\xf8" == data[start : start + 2]  # sync code, reserved bit, blocks of fixed size
    size_code, rate_code = divmod(data[start + 2], 16)
    channel_code, low = divmod(data[start + 3], 16)
    assert (4, 0) == divmod(low, 2)  # 16 bits, reserved bit
    length = coded_length(data[start + 4])
    number = coded_number(data[start + 4 : start + 4 + length])
    at = start + 4 + length
    if size_code in {6, 7}:
        width = size_code - 5
        size, at = int.from_bytes(data[at : at + width], "big") + 1, at + width
    else:
        size = BLOCK_SIZES[size_code]
    assert crc(data[start:at], 8, 0x07) == data[at]
    at += 1
    values = []
    for _ in range(channel_code + 1):
        assert data[at] == 0  # a padding bit, constant, no wasted bits
        values.append(int.from_bytes(data[at + 1 : at + 3], "big", signed=True))
        at += 3
    assert crc(data[start:at], 16, 0x8005) == int.from_bytes(data[at : at + 2], "big")
    rate = RATES[rate_code] if rate_code else stream.sample_rate
    return FlacFrame(number, size, rate, channel_code + 1, 16, tuple(values)), at + 2


def coded_length(first: int) -> int:
    """Return the number of bytes of a coded number, given its first: the number of leading ones."""
    ones = len(f"{first:08b}".partition("0")[0])
    assert ones != 1
    return ones or 1


def coded_number(data: bytes) -> int:
    """Return a coded number, which must have the fewest bytes possible."""
    bits = f"{data[0]:08b}".partition("0")[2] + "".join(f"{byte:08b}"[2:] for byte in data[1:])
    assert all(byte >> 6 == 2 for byte in data[1:])
    value = int(bits, 2)
    limits = [1 << 7, 1 << 11, 1 << 16, 1 << 21, 1 << 26, 1 << 31]
    assert len(data) == next(size for size, limit in enumerate(limits, start=1) if value < limit)
    return value


def assert_silent(samples: int, rate: int, channels: int) -> None:
    """Encode a silence, decode it, and compare."""
    data = silence_flac(samples, rate, channels)
    stream = stream_of(data)
    frames = frames_of(data, stream)

    assert Stream(BLOCK, BLOCK, rate, channels, 16, samples) == stream
    assert samples == sum(frame.size for frame in frames)
    assert list(range(len(frames))) == [frame.number for frame in frames]
    assert all(frame.size == BLOCK for frame in frames[:-1])
    assert {(rate, channels, (0,) * channels)} == {(f.sample_rate, f.channels, f.values) for f in frames}


@given(st.integers(1, 200_000), st.sampled_from(SAMPLE_RATES), st.integers(1, 8))
@example(1, 44100, 2)
@example(BLOCK - 1, 44100, 2)
@example(BLOCK, 44100, 2)
@example(BLOCK + 1, 44100, 2)
@example(2 * BLOCK, 8000, 8)
@QUIET
def test_silence_of_any_length_is_exact(samples: int, rate: int, channels: int) -> None:
    """Every header, every checksum, every sample."""
    assert_silent(samples, rate, channels)


@pytest.mark.parametrize("rate", SAMPLE_RATES)
@pytest.mark.parametrize("channels", range(1, 9))
def test_every_rate_and_number_of_channels_that_an_output_can_have(rate: int, channels: int) -> None:
    """Sample rates without a code in the frame header are in STREAMINFO."""
    assert_silent(BLOCK + 17, rate, channels)


@pytest.mark.parametrize("frames", [0x7F, 0x80, 0x81, 0x7FF, 0x800, 0x801])
def test_frame_numbers_have_one_to_three_bytes(frames: int) -> None:
    """One byte to 127, two to 2,047, then three."""
    assert_silent(frames * BLOCK + 1, 8000, 1)


def test_the_checksums_of_this_test_have_the_standard_check_values() -> None:
    """CRC-8/SMBUS and CRC-16/UMTS in the catalogue of CRC algorithms."""
    assert (0xF4, 0xFEE8) == (crc(b"123456789", 8, 0x07), crc(b"123456789", 16, 0x8005))


def test_a_minute_of_silence_is_a_few_kilobytes() -> None:
    """Constant subframes are cheap to store and to copy."""
    assert len(silence_flac(60 * 44100, 44100, 2)) < 12_000


@pytest.mark.parametrize(
    ("milliseconds", "rate", "samples"),
    [(0, 44100, 0), (1, 44100, 44), (300, 44100, 13230), (5, 44100, 221), (1, 500, 1), (1, 499, 0), (250, 11025, 2756)],
)
def test_a_duration_becomes_the_nearest_number_of_samples(milliseconds: int, rate: int, samples: int) -> None:
    """Halves are rounded up: 5 ms are 220.5 samples."""
    assert samples == samples_of(milliseconds, rate)
