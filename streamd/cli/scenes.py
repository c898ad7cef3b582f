"""`streamd scenes`: what the procedural streets are good for beside being a camera."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamd import output
from streamd.cli.bar import progress
from streamd.errors import ClientError, DataError

if TYPE_CHECKING:
    from streamd.client.subscriber import Video

CLIP_SUFFIX = ".mp4"
OTHER_CLIPS = {".avi", ".mkv", ".mov", ".m4v", ".webm", ".ts", ".h264"}  # no folder is meant by these
CLIP_FPS = 25
LONGEST_S = 3600
MOST = 4000  # pictures of one seed; the next scene belongs to the next seed


@click.command(name="scenes")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="A folder for a data set, or an .mp4 file for a clip."
)
@click.option("--split", default="held-out", show_default=True, type=click.Choice(["train", "held-out"]))
@click.option("--images", default=500, show_default=True, type=click.IntRange(1, MOST), help="Of the data set.")
@click.option("--seconds", default=20, show_default=True, type=click.IntRange(1, LONGEST_S), help="Of the clip.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**53), help="Another: other streets.")
@click.option("--width", default=960, show_default=True, type=click.IntRange(64, 3840), help="Pixels.")
@click.option("--height", default=540, show_default=True, type=click.IntRange(64, 3840), help="Pixels.")
@click.option("--crf", default=27, show_default=True, type=click.IntRange(0, 51), help="Of the clip; less is better.")
def command(out: Path, split: str, images: int, seconds: int, seed: int, width: int, height: int, crf: int) -> None:
    """Draw street scenes with their truth: a labelled data set in COCO's format, or an H.264 clip.

    \b
    streamd scenes --out /tmp/held-out --images 500     500 pictures of 125 streets, and annotations.json
    streamd scenes --out clip.mp4 --seed 69             20 s of one street, 25 frames a second

    The held-out split has seeds, backgrounds and weather that the bundled model was not trained on. The same options
    give the same files.
    """  # noqa: D301 - click reads the sign \b, and passes over the two of a raw string
    from streamd import log  # noqa: PLC0415 - structlog takes longer to import than `streamd --help` may

    log.setup("warning", "console")
    output.tidy_when_told_to_end()
    if out.suffix.lower() in OTHER_CLIPS:
        raise DataError(f"{out}: a clip is MP4", mend=f"name it {out.with_suffix(CLIP_SUFFIX)}")
    if out.suffix.lower() == CLIP_SUFFIX:
        write_clip(out, split, seconds, seed, width, height, crf)
    else:
        write_set(out, split, images, seed, width, height)


def write_set(out: Path, split: str, images: int, seed: int, width: int, height: int) -> None:
    """Write a COCO data set with a progress bar."""
    from streamd.scenes import write_dataset  # noqa: PLC0415 - OpenCV is loaded only where it is used

    output.check_folder(out, ["annotations.json"])
    output.check_folder(out / "images")
    with progress(images, "drawing") as advance:
        path = write_dataset(
            out, split=split, images=images, seed=seed, width=width, height=height, progress=lambda *_: advance(1)
        )
    click.echo(f"wrote {path}; score a model on it: streamd eval MODEL --data {out}")


def write_clip(out: Path, split: str, seconds: int, seed: int, width: int, height: int, crf: int) -> None:
    """Write one scene as H.264 in MP4; `out` is replaced once the clip is whole.

    Raises:
        DataError: `out` cannot be written, or the disk is full.
    """
    from streamd.client.mp4 import Mp4File, describe  # noqa: PLC0415 - FFmpeg is loaded only where it is used

    output.check_file(out)
    count = seconds * CLIP_FPS
    with progress(count, "drawing") as advance:
        units = encoded(split, count, seed, width, height, crf)
        first = next(units)
        try:
            with output.whole(out) as part, closing(describe(first)) as description:
                file = Mp4File([part], first, description)
                for unit in units:
                    file.write(unit)
                    advance(1)
                file.close()
        except (OSError, ClientError) as error:  # the writer's own error names the file that has gone by now
            cause = error if isinstance(error, OSError) else error.__cause__
            reason = getattr(cause, "strerror", None) or error
            raise DataError(f"{out}: {reason}", mend="make room, or choose a file that can be written") from error
        advance(1)
    click.echo(f"wrote {out}")


def encoded(split: str, count: int, seed: int, width: int, height: int, crf: int) -> "Iterator[Video]":
    """Yield the first `count` frames of a scene as H.264, with the encoder of the daemon."""
    from streamd import config, encode  # noqa: PLC0415 - FFmpeg is loaded only where it is used
    from streamd.client.subscriber import Video  # noqa: PLC0415 - likewise ZeroMQ
    from streamd.frames import Frame, Picture  # noqa: PLC0415 - NumPy
    from streamd.publish import messages  # noqa: PLC0415 - as above
    from streamd.scenes import Scene, to_i420  # noqa: PLC0415 - OpenCV

    scene = Scene(seed, split=split, width=width, height=height, fps=CLIP_FPS)
    video = config.VideoSocket(codec="libx264", preset="slower", crf=crf)
    with closing(encode.choose(video)()) as encoder:
        for index in range(count):
            picture = Picture(*to_i420(scene.frame(index)[0]))
            frame = Frame("scenes", 0, index, index * 10**9 // CLIP_FPS, 0, picture)
            for packet in encoder(frame, picture, keyframe=False):
                yield Video(messages.video(packet), packet.data)
        for packet in encoder.flush():
            yield Video(messages.video(packet), packet.data)
