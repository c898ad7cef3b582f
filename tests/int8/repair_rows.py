"""What each row of the table of repairs does: the command's own functions (streamd/cli), one after another.

A row starts from what another one left behind, so nothing is calibrated, searched or trained twice. Three sets of
pictures: learned from, chosen by, and judged on; the last is read by `judged` alone.
"""

import json
import pickle
import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property

import onnx

from streamd import infer, log
from streamd.cli import partial as left
from streamd.cli import refine, repair, seen
from streamd.decode import picture_from_image
from streamd.int8 import data, fragile, lint, placement, quantize, scales, thresholds
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate
from streamd.int8.groups import float_share
from streamd.int8.judge import Judge
from streamd.int8.segments import inferred
from streamd.int8.sensitivity import chart, report, screen
from streamd.int8.sensitivity.feed import Feed
from streamd.int8.sensitivity.outcome import Outcome
from streamd.int8.sensitivity.study import Study
from streamd.score import dataset, detect, served
from streamd.score.evaluate import LEAST_CONFIDENCE, MOST, NMS_IOU
from tests.int8.repair_task import ROWS, share_cores, slug

CALIBRATED_ON = 100  # pictures, of those that are learned from
MEASURED_ON = 96  # pictures, of those that are judged on, for each group alone
METHODS = ("minmax", "entropy", "percentile", "mse", "histogram-observer")


@dataclass(slots=True)
class State:
    """What one row leaves to the next, as it can be pickled."""

    graph: bytes
    repaired: bytes | None
    plan: placement.Placement
    trial: quantize.Trial


def do(task, row, out):
    """Do one row: files, `state` and result.json in `out`/row."""
    log.setup("warning", "console")
    share_cores(task.threads)
    start, way = ROWS[row]
    folder = out / slug(row)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    made = Work(task, row, folder, load(out / slug(start), task) if start else None)
    facts = getattr(made, way)() or {}
    minutes = (time.monotonic() - began) / 60
    if (folder / "spent").exists():  # by a run of it that was cut off
        minutes += float((folder / "spent").read_text())
    if way != "sensitivity":
        facts |= made.judged()
        made.save()
    result = {"model": task.name, "row": row, "minutes": round(minutes, 2), **facts}
    (folder / "result.part").write_text(json.dumps(result, indent=1))
    (folder / "result.part").replace(folder / "result.json")


def load(folder, task):
    state = pickle.loads((folder / "state").read_bytes())
    ready = graphs.Graph(onnx.load_from_string(state.graph), str(task.model), graphs.load(task.model).sha256)
    piece = quantize.Workpiece(task.model, ready, manifest_of(task.model), state.plan)
    if state.repaired is not None:
        piece.repaired = graphs.Graph(onnx.load_from_string(state.repaired), ready.name, ready.sha256)
    return piece, state.trial


def manifest_of(path):
    with closing(infer.load(path, threads=1)) as backend:
        return backend.manifest


class Work:
    """A model on its way through one row."""

    def __init__(self, task, row, folder, before):
        self.task, self.row, self.folder = task, row, folder
        if before is None:
            ready = graphs.load(task.model)
            plan = placement.plan(ready)
            before = quantize.Workpiece(task.model, ready, manifest_of(task.model), plan), None
        self.piece, self.trial = before
        self.given = {
            "data": task.learn, "judge": (task.choose,), "judge_part": (0, 1), "frames": 0, "part": (0, 1),
            "confidence": 0.25, "target_drop": task.target, "max_float": 0.3, "bias_correction": True, "equalize": True,
            "steps": task.steps, "pictures": task.batch, "block": 1, "rate": None, "freeze_scales": False,
            "block_loss": False, "window": task.window, "device": task.device,
        }  # fmt: skip

    def nothing(self):
        """Leave the model as it is."""

    def plain(self):
        """Try every method, and keep what the pictures to choose by find best."""
        piece = self.piece
        ranges = self._calibrated()
        layers = {one.layer for one in fragile.find(piece.graph, piece.placement, ranges)}
        if layers:
            piece.placement = placement.plan(piece.graph, lambda node: node.name in layers)
        found = {}
        for method in METHODS:
            chosen = scales.choose(piece.graph, piece.placement, ranges, thresholds.METHODS[method])
            found[method] = quantize.Trial(method, chosen, quantize.judged(piece, chosen, self.chooser))
        self.trial = max(found.values(), key=lambda trial: trial.rank)
        return {"method": self.trial.method, "kept by the screen": sorted(layers)}

    def equalized(self):
        """Bring channels to ranges alike, and try every method again, as the command does."""
        facts = repair.equalized(self.piece, self.given)
        return facts | self.plain()

    def corrected(self):
        """Correct biases in the way that is found best."""
        return repair.corrected(self.piece, self.trial, self.chooser, self.given)

    def partial(self):
        """Leave in float what hurts most; by the method that was best, which of a ruined model says little, and by mse.

        The one that comes nearer to the target is kept, of two that meet it the one with less in float.
        """
        piece, ranges, found = self.piece, self._calibrated(), []
        for method in dict.fromkeys((self.trial.method, "mse")):
            chosen = scales.choose(piece.graph, piece.placement, ranges, thresholds.METHODS[method])
            tried = replace(piece), quantize.Trial(method, chosen)
            facts = left.left_out(*tried, self.chooser, self.given)
            found.append((max(facts["drop"], self.task.target), facts["float_share"], method, facts, tried))
        _, _, method, facts, (self.piece, self.trial) = min(found, key=lambda one: one[:2])
        self.trial.agreement = quantize.judged(self.piece, self.trial.scales, self.chooser)
        return {"method": method} | facts

    def adaround(self):
        """Learn the rounding of weights."""
        self.given |= {"steps": self.task.rounding_steps, "pictures": None}
        return self._learned(refine.rounded)

    def qat(self):
        """Train."""
        from streamd.int8.refine import distill  # noqa: PLC0415 - torch takes seconds to import

        self.given["rate"] = distill.Options().rate
        return self._learned(refine.trained)

    def sensitivity(self):
        """Measure each group alone, and how the metrics' orders agree with that of the true drop."""
        piece, trial = self.piece, self.trial
        sets = self._labelled(self.task.judge)
        feed, outcome = self._feed(sets.spread(MEASURED_ON) if sets else None)
        study = Study(piece.graph, piece.manifest, piece.placement, trial.scales, feed, outcome)
        began = time.monotonic()
        found = {"alone": [measure for _, measure in study.alone()]}
        ranges = [screen.ratio(piece.graph, group) for group in study.groups]
        whole = report.Report(
            model=str(self.task.model), model_sha256=piece.graph.sha256, pictures=len(feed.inputs),
            method=trial.method, outcome=outcome.name, quality=study.quality,
            minutes=round((time.monotonic() - began) / 60, 2), correlation=report.correlated(found, ranges),
            groups=report.grouped(study.groups, found, ranges),
        )  # fmt: skip
        (self.folder / "groups.json").write_bytes(report.as_json(whole))
        (self.folder / "groups.svg").write_text(chart.draw(whole), "utf-8")
        return {"groups": len(study.groups), "pictures": len(feed.inputs), "correlation": whole.correlation["alone"]}

    @cached_property
    def chooser(self):
        pictures = [one.copy() for one in data.shown(data.find([self.task.choose]), 0)]
        return Judge(self.task.model, pictures, self.given["confidence"])

    def judged(self):
        """Write both files, check them, and judge them on the pictures that nothing was chosen by."""
        if self.row == "float":
            return self._scores({"float": self.task.model}) | {"in_float": 1.0}
        piece, chosen, stem = self.piece, self.trial.scales, self.task.model.stem
        piece.about = quantize.about(self.trial, piece.graph, {"repair": self.row})
        paths = {
            "tensorrt": piece.save(piece.tensorrt(chosen, "fp32"), self.folder / "judged.trt.onnx"),
            "cpu": piece.save(piece.cpu(chosen), self.folder / f"{stem}.cpu.onnx"),
        }
        written = piece.save(piece.tensorrt(chosen, "fp16"), self.folder / f"{stem}.trt.onnx")
        _, sizes = inferred(piece.graph, (1, *self._shape()))
        found = self._scores(paths) | {
            "in_float": round(float_share(piece.graph, piece.placement.layers, sizes), 4),
            "lint": [str(one) for one in faults(written, "tensorrt") + faults(paths["cpu"], "onnxruntime")],
        }
        paths["tensorrt"].unlink()
        return found

    def save(self):
        repaired = self.piece.repaired
        state = State(
            self.piece.graph.model.SerializeToString(),
            None if repaired is None else repaired.model.SerializeToString(),
            self.piece.placement,
            self.trial,
        )
        (self.folder / "state").write_bytes(pickle.dumps(state))

    def _calibrated(self):
        pictures = data.shown(data.find(self.task.learn), CALIBRATED_ON)
        return calibrate(self.piece.graph, data.inputs(self.piece.manifest.input, pictures))

    def _learned(self, how):
        inputs = seen.inputs(self.piece, self.given, "--qat")
        piece, trial = self.piece, self.trial
        before = trial.agreement or quantize.judged(piece, trial.scales, self.chooser)
        piece.repaired, trial.scales = how(piece, trial, inputs, self.folder / "kept", self.given)
        trial.agreement = quantize.judged(piece, trial.scales, self.chooser)
        better = trial.rank >= replace(trial, agreement=before).rank
        return {"learned_from": len(inputs), "better_by_the_chooser": better, "on": self.given["device"]}

    def _scores(self, paths):
        if self.task.labelled:
            sets = self._labelled(self.task.judge)
            pictures = [picture_from_image(truth.path) for truth in sets.truths]
            truths = [t.within(p.width, p.height) for t, p in zip(sets.truths, pictures, strict=True)]
            options = served.Options(1, self.task.threads, "host", LEAST_CONFIDENCE, NMS_IOU, MOST)
            found = {}
            for name, path in paths.items():
                with closing(served.Served(path, options, sets.labels)) as model:
                    found[name] = round(detect.score(truths, model(pictures), sets.labels).map50_95, 4)
            return found
        pictures = [one.copy() for one in data.shown(data.find(self.task.judge), 0)]
        rows = Judge(self.task.model, pictures, self.given["confidence"]).rows(list(paths.values()))
        return {
            name: [round(row.agreement.matched50, 4), round(row.agreement.matched90, 4)]
            for name, row in zip(paths, rows, strict=True)
        }

    def _labelled(self, folders):
        if not self.task.labelled:
            return None
        sets = [dataset.read(folder) for folder in folders]
        return replace(sets[0], truths=tuple(truth for one in sets for truth in one.truths))

    def _feed(self, sets):
        piece, confidence = self.piece, self.given["confidence"]
        if sets is None:
            pictures = [one.copy() for one in data.shown(data.find(self.task.judge), MEASURED_ON)]
            feed = Feed.of(piece.manifest.input, pictures)
            return feed, Outcome(piece.manifest, feed.geometries, confidence=confidence, path=piece.path)
        feed = Feed.labelled(piece.manifest.input, sets)
        return feed, Outcome(piece.manifest, feed.geometries, feed.truths, sets.labels, path=piece.path)

    def _shape(self):
        spec = self.piece.manifest.input
        return spec.channels, spec.height, spec.width


def faults(path, runtime):
    return lint.lint(graphs.read(path), runtime)
