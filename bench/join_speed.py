"""Join speed: 11 mixed clips of 60 s to mp3 and to aac, by the local cloud's join, against FFmpeg's own concat filter.

Both use the same FFmpeg build, the same encoder settings and one process. Prints medians of several interleaved runs
and the ratio; below 1 we are faster. Run: .venv/bin/python -m bench.join_speed
"""

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import imageio_ffmpeg

from localyun.imm.ffmpeg import Ffmpeg
from localyun.imm.join import InputClip, join
from localyun.imm.task_spec import Encoding

RUNS = 5
SECONDS = 60
CLIPS = (
    ("mp3", 44100, 2, ()), ("wav", 48000, 2, ()), ("oga", 44100, 2, ("-c:a", "libvorbis", "-f", "ogg")),
    ("aac", 48000, 1, ()), ("wma", 44100, 2, ()), ("flac", 96000, 2, ()), ("opus", 48000, 2, ()),
    ("m4a", 44100, 1, ()), ("ac3", 48000, 2, ()), ("amr", 8000, 1, ()), ("mp3", 48000, 1, ()),
)  # fmt: skip
OUTPUTS = {
    "mp3": ("-c:a", "libmp3lame", "-b:a", "128000", "-f", "mp3"),
    "aac": ("-c:a", "aac", "-b:a", "96000", "-f", "adts"),
}


def make_clips(ffmpeg: str, folder: Path) -> list[str]:
    """Write the clips: noise and a chord, so that encoders have work to do."""
    names = []
    for index, (form, rate, channels, options) in enumerate(CLIPS):
        name = f"{index}.{form}"
        tone, noise = (
            f"sine=f={200 + 90 * index}:r={rate}:d={SECONDS},volume=0.5[a]",
            f"anoisesrc=r={rate}:d={SECONDS}:a=0.05:c=pink[b]",
        )
        source = f"{tone};{noise};[a][b]amix"
        command = [ffmpeg, "-v", "error", "-filter_complex", source, "-ar", str(rate), "-ac", str(channels)]
        subprocess.run([*command, *options, name], cwd=folder, check=True)
        names.append(name)
    return names


def plain(ffmpeg: str, folder: Path, names: list[str], form: str) -> float:
    """Time FFmpeg's command line with its concat filter, as anybody would write it."""
    inputs = [part for name in names for part in ("-i", name)]
    same = ";".join(f"[{n}:a:0]aresample=44100,aformat=channel_layouts=mono[c{n}]" for n in range(len(names)))
    graph = same + ";" + "".join(f"[c{n}]" for n in range(len(names))) + f"concat=n={len(names)}:v=0:a=1[out]"
    start = time.perf_counter()
    command = [
        ffmpeg,
        "-v",
        "error",
        "-y",
        *inputs,
        "-filter_complex",
        graph,
        "-map",
        "[out]",
        *OUTPUTS[form],
        "plain.out",
    ]
    subprocess.run(command, cwd=folder, check=True)
    return time.perf_counter() - start


def ours(folder: Path, names: list[str], form: str) -> float:
    """Time the local cloud's join."""
    encoding = Encoding(format=form, sample_rate=44100, channels=1, bitrate=int(OUTPUTS[form][3]))
    start = time.perf_counter()
    join(Ffmpeg(), folder, [InputClip(name, name) for name in names], encoding)
    return time.perf_counter() - start


def main() -> None:
    """Interleave both and print the table."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = make_clips(ffmpeg, folder)
        for form in OUTPUTS:
            pairs = [(ours(folder, names, form), plain(ffmpeg, folder, names, form)) for _ in range(RUNS)]
            mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = f"ratio {mine / theirs:.2f} ({RUNS} runs, {len(CLIPS)} x {SECONDS} s)"
            print(f"{form}: join {mine:.2f} s, concat filter {theirs:.2f} s, {ratio}")


if __name__ == "__main__":
    main()
