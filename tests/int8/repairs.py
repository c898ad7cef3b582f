"""What repairs INT8, in one table on one set of pictures: `python tests/int8/repairs.py all --pack DIR --out DIR`

For each model (the bundled detector made hard, itself, and YOLOX-Nano on real frames) and each way of
`streamd quantize` to mend INT8, and ways together: how good the TensorRT file (run by ONNX Runtime) and the CPU file
are on pictures that nothing was learned from or chosen by, the share of multiply-adds in float, and the minutes it
took. Then the rank correlation of the metrics of `streamd sensitivity` with the true drop of each group, and
milliseconds of the CPU files.

Every row is a process and leaves a folder in --out, with its files, and result.json once it is done; the same command
goes on where one was cut off (--minutes). The files must have no fault by `streamd lint`, else it exits 1.

    python tests/int8/repairs.py frames --pack DIR      takes YOLOX-Nano, and frames for it, from ../shared/real
    python tests/int8/repairs.py table --out DIR        prints what is there
"""

import argparse
import json
import multiprocessing.connection
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.int8.repair_rows import do  # noqa: E402
from tests.int8.repair_task import ROWS, SLOW, Task, slug, time_files  # noqa: E402

BUNDLED, HARD = ROOT / "streamd" / "assets" / "street.onnx", "street-hard.onnx"
REAL = ROOT.parent / "shared" / "real"
MODELS = ("hard", "street", "yolox")
OF_HARD = {row for row in ROWS if "equalize" in row or ", adaround" in row}  # are of use for it, or dear elsewhere
CLIPS = {"car-detection.mp4": 3, "bottle-detection.mp4": 8}  # of so many frames one is taken
PARTS = {"learn": (0, 0.45), "choose": (0.45, 0.6), "judge": (0.6, 1)}  # of a clip
SCENES = {"learn": ("train", 71), "choose": ("held-out", 72), "judge": ("held-out", 73)}  # split, first seed
MEASURE = ("mAP50-95, TensorRT file", "agreement at IoU 0.5 / 0.9, TensorRT file")
PIECE = 25  # pictures of one `streamd scenes`, which draws on one core


def main(arguments):
    options = parsed(arguments)
    if options.what == "frames":
        return frames(options.pack)
    if options.what != "table":
        run(options)
    return show(options.out)


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=(*MODELS, "all", "frames", "table"))
    parser.add_argument("--pack", type=Path, default=ROOT / "pack", help="the folder that `frames` fills")
    parser.add_argument("--out", type=Path, help="a folder; what is done there already is not done again")
    parser.add_argument("--only", help=f"rows, with ; between them, of: {'; '.join(ROWS)}")
    parser.add_argument("--images", type=int, default=200, help="to learn from, and as many to judge on")
    parser.add_argument("--chosen-by", type=int, default=64, help="so many pictures, where something is chosen")
    parser.add_argument("--steps", type=int, default=2000, help="of training")
    parser.add_argument("--rounding-steps", type=int, default=2000, help="of each layer, of AdaRound")
    parser.add_argument("--batch", type=int, default=8, help="pictures a step of training")
    parser.add_argument("--window", type=int, default=0, help="pixels of a picture that training sees; 0: all")
    parser.add_argument("--target", type=float, default=0.003, help="drop that the search of `partial` goes for")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="rows at a time")
    parser.add_argument("--threads", type=int, default=2, help="of each of them")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which what is not done is left")
    parser.add_argument("--device", default="auto", help="to learn on: cpu, cuda, or auto")
    return parser.parse_args(arguments)


def frames(pack):
    """Fill `pack` with YOLOX-Nano and frames of the real clips, as JPEG."""
    import cv2  # noqa: PLC0415 - `streamd` need not be installed for it

    shutil.copy(REAL / "yolox_nano.onnx", pack)
    for clip, stride in CLIPS.items():
        film = cv2.VideoCapture(str(REAL / clip))
        length = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
        for number in range(length):
            read, picture = film.read()
            part = next((name for name, (first, end) in PARTS.items() if first <= number / length < end), None)
            if read and number % stride == 0:
                folder = pack / "frames" / part
                folder.mkdir(parents=True, exist_ok=True)
                name = folder / f"{Path(clip).stem}-{number:04d}.jpg"
                cv2.imwrite(str(name), picture, (cv2.IMWRITE_JPEG_QUALITY, 92))
    for part in PARTS:
        say(f"{part}: {len(list((pack / 'frames' / part).iterdir()))} frames")
    return 0


def run(options):
    """Do the rows that are not done, several at a time, until the time is up."""
    until = time.monotonic() + 60 * options.minutes
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # torch, in the processes that are yet to start
    models = MODELS if options.what == "all" else (options.what,)
    draw(options, models)
    tasks = {name: task(options, name) for name in models}
    chosen = [row.strip() for row in options.only.split(";")] if options.only else list(ROWS)
    rows = [(name, row) for row in needed(chosen) for name in models if name == "hard" or row not in OF_HARD]
    jobs = [Job(tasks[name], row, options.out / name) for name, row in rows]
    starts = {start for start, _ in ROWS.values()}
    jobs.sort(key=lambda job: (job.row not in starts, not any(word in job.row for word in SLOW)))
    while any(job.unfinished for job in jobs) and time.monotonic() < until:
        running = [job for job in jobs if job.process]
        able = [job for job in jobs if job.able(jobs)]
        for job in able[: options.jobs - len(running)]:
            job.start()
            running.append(job)
        if not running:
            break
        left_s = max(0.0, until - time.monotonic())
        multiprocessing.connection.wait([job.process.sentinel for job in running], left_s)
        for job in running:
            job.look()
    for job in jobs:
        job.stop()
    say(f"not done: {'; '.join(f'{job.task.name} {job.row}' for job in jobs if not job.done) or 'nothing'}")
    for name in models:
        time_files(tasks[name], options.out / name, until)


class Job:
    """One row of one model: a process, once what it starts from is there."""

    def __init__(self, task, row, out):
        self.task, self.row, self.out = task, row, out
        self.process = None
        self.failed = False

    @property
    def done(self):
        return (self.out / slug(self.row) / "result.json").exists()

    @property
    def unfinished(self):
        return not (self.done or self.failed) or self.process is not None

    def able(self, jobs):
        before = [job for job in jobs if job.out == self.out and job.row == ROWS[self.row][0]]
        self.failed = self.failed or any(job.failed for job in before)
        return not self.process and self.unfinished and all(job.done and not job.process for job in before)

    def start(self):
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=logged, args=(self.task, self.row, self.out))
        self.began = time.monotonic()
        self.process.start()

    def look(self):
        if self.process.is_alive():
            return
        self.failed, self.process = self.process.exitcode != 0, None
        at = self.out / slug(self.row)
        say(f"FAILED {at / 'log'}" if self.failed else (at / "result.json").read_text().replace("\n", ""))

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.join()
            self.process = None
            spent = self.out / slug(self.row) / "spent"
            spent.write_text(str((read(spent) or 0) + (time.monotonic() - self.began) / 60))


def logged(task, row, out):
    """Do a row in this process, whose output goes to a file."""
    folder = out / slug(row)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        do(task, row, out)


def needed(rows):
    """Return `rows` and what they start from, in the order of the table."""
    found = set()
    for last in rows:
        row = last
        while row:
            found.add(row)
            row = ROWS[row][0]
    return [row for row in ROWS if row in found]


def draw(options, models):
    """Draw the pictures of the bundled detector, and make it hard, unless that was done before."""
    if set(models) == {"yolox"}:
        return
    lines = []
    for part, (split, seed) in SCENES.items():
        count = options.chosen_by if part == "choose" else options.images
        size = count if part == "choose" else PIECE  # what is chosen by is one data set
        for i, first in enumerate(range(0, count, size)):
            folder = options.out / "scenes" / part / str(i)
            if not (folder / "annotations.json").exists():
                folder.mkdir(parents=True, exist_ok=True)
                some = min(count - first, size)
                lines.append(["scenes", "--out", folder, "--split", split, "--seed", 100 * seed + i, "--images", some])
    if not (options.out / HARD).exists():
        lines.append(["harden", BUNDLED, "--out", options.out / HARD])
    begun = []
    for line in lines:
        if len(begun) >= (os.cpu_count() or 1):
            begun.pop(0).wait()
        begun.append(subprocess.Popen([sys.executable, "-m", "streamd", *map(str, line)], cwd=ROOT))
    if max((process.wait() for process in begun), default=0):
        sys.exit("the pictures could not be drawn")


def task(options, name):
    """Return what is to be done with a model."""
    device = options.device
    if device == "auto":
        from streamd.int8.refine.device import named  # noqa: PLC0415 - torch takes seconds to import

        device = named("auto")
    if name == "yolox":
        model, sets = options.pack / "yolox_nano.onnx", {part: (options.pack / "frames" / part,) for part in PARTS}
    else:
        model = options.out / HARD if name == "hard" else BUNDLED
        sets = {part: tuple(sorted((options.out / "scenes" / part).iterdir())) for part in SCENES}
    return Task(
        name, model, sets["learn"], sets["choose"][0], sets["judge"], name != "yolox", options.steps,
        options.rounding_steps, options.batch, options.window, options.target, device, options.threads,
    )  # fmt: skip


def show(out):
    """Print what is there as Markdown; return 1 where a file has a fault."""
    faulty = []
    for name in MODELS:
        results = {row: read(out / name / slug(row) / "result.json") for row in ROWS}
        results = {row: found for row, found in results.items() if found}
        if not results:
            continue
        speed = read(out / name / "speed.json") or {}
        say(f"\n{name}\n\n| | {MEASURE[name == 'yolox']} | CPU file | in float | minutes | ms a frame, one core |")
        say("|---|---|---|---|---|---|")
        for row, found in results.items():
            if row == "sensitivity":
                continue
            quality = [cell(found.get(key)) for key in ("tensorrt", "cpu")]
            quality = [cell(found["float"]), ""] if row == "float" else quality
            ms = speed.get("partial" if row.startswith("partial") else "float" if row == "float" else "plain")
            say(
                f"| {row}{remark(found)} | {' | '.join(quality)} | {found['in_float']:.1%} | {found['minutes']:.1f} "
                f"| {cell(ms)} |"
            )
            faulty += [f"{name} {row}: {fault}" for fault in found.get("lint", [])]
        if "sensitivity" in results:
            found = results["sensitivity"]
            known = ", ".join(f"{metric} {cell(value)}" for metric, value in found["correlation"].items())
            say(
                f"\n{name}: {found['groups']} groups, {found['pictures']} pictures, rank correlation with drop: {known}"
            )
    say(*(f"FAULT: {fault}" for fault in faulty))
    return int(bool(faulty))


def remark(found):
    """Return what the row's name leaves open."""
    told = [str(found[key]) for key in ("method", "bias_correction") if key in found]
    told += ["the chooser would drop it"] if found.get("better_by_the_chooser") is False else []
    return f" ({', '.join(told)})" if told else ""


def read(path):
    return json.loads(path.read_text()) if path.exists() else None


def cell(value):
    if isinstance(value, list):
        return " / ".join(cell(one) for one in value)
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)


def say(*lines):
    print(*lines, sep="\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
