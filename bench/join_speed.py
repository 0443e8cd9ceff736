"""Join speed: 11 clips of 60 s in ten formats to mp3 and to aac, by the local cloud and by FFmpeg's concat filter.

Both use the same FFmpeg build, the same encoder settings and one process. Prints medians of several interleaved runs
and the ratio; below 1 the local cloud is faster. Run: .venv/bin/python -m bench.join_speed
"""

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import imageio_ffmpeg

from localyun.imm.audio_info import AudioInfo
from localyun.imm.ffmpeg import Ffmpeg
from localyun.imm.join import InputClip, join
from localyun.imm.task_spec import Encoding

RUNS = 5
CLIP_S = 60
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
    """Write the clips, a tone with noise, so that encoders have work to do; return their file names."""
    names = []
    for index, (extension, rate, channels, options) in enumerate(CLIPS):
        name = f"{index}.{extension}"
        tone = f"sine=f={200 + 90 * index}:r={rate}:d={CLIP_S},volume=0.5[a]"
        noise = f"anoisesrc=r={rate}:d={CLIP_S}:a=0.05:c=pink[b]"
        source = f"{tone};{noise};[a][b]amix"
        command = [ffmpeg, "-v", "error", "-filter_complex", source, "-ar", str(rate), "-ac", str(channels)]
        subprocess.run([*command, *options, name], cwd=folder, check=True)
        names.append(name)
    return names


def time_concat_filter(ffmpeg: str, folder: Path, names: list[str], extension: str) -> float:
    """Return the seconds of one FFmpeg command with the concat filter."""
    inputs = [part for name in names for part in ("-i", name)]
    converted = ";".join(f"[{n}:a:0]aresample=44100,aformat=channel_layouts=mono[c{n}]" for n in range(len(names)))
    graph = converted + ";" + "".join(f"[c{n}]" for n in range(len(names))) + f"concat=n={len(names)}:v=0:a=1[out]"
    command = [ffmpeg, "-v", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[out]"]
    start = time.perf_counter()
    subprocess.run([*command, *OUTPUTS[extension], "concat.out"], cwd=folder, check=True)
    return time.perf_counter() - start


def time_join(info: AudioInfo, folder: Path, names: list[str], extension: str) -> float:
    """Return the seconds of the local cloud's join, of clips that `audio/info` has measured, as our functions do."""
    encoding = Encoding(format=extension, sample_rate=44100, channels=1, bitrate=int(OUTPUTS[extension][3]))
    clips = [InputClip(name, name, info.measure(folder / name, name)) for name in names]
    start = time.perf_counter()
    join(Ffmpeg(), folder, clips, encoding)
    return time.perf_counter() - start


def main() -> None:
    """Measure both for every output format, and print medians and ratios."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names, info = make_clips(ffmpeg, folder), AudioInfo(Ffmpeg())
        for extension in OUTPUTS:
            pairs = [
                (time_join(info, folder, names, extension), time_concat_filter(ffmpeg, folder, names, extension))
                for _ in range(RUNS)
            ]
            joined, concat = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = f"ratio {joined / concat:.2f} ({RUNS} runs, {len(CLIPS)} x {CLIP_S} s)"
            print(f"{extension}: join {joined:.2f} s, concat filter {concat:.2f} s, {ratio}")


if __name__ == "__main__":
    main()
