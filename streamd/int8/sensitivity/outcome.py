"""How good a model's answers are, as the daemon reads them: on labels, or by agreement with the float model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from streamd.frames import I32, Detections
from streamd.int8.session import Array
from streamd.letterbox import Letterbox
from streamd.manifest import Manifest
from streamd.postprocess import HEADS, Head
from streamd.score import classify, detect
from streamd.score.agreement import MARGIN, Tally
from streamd.score.evaluate import LEAST_CONFIDENCE, MOST, NMS_IOU
from streamd.score.served import translation
from streamd.score.truth import Truth


class Outcome:
    """Reads detections from a model's outputs and says how good they are, from 0 to 1.

    With `truths` that is mean average precision (IoU 0.50 to 0.95), or Top-1 of a classifier. Without them it is the
    agreement with what `refer` was given, the mean of those at IoU 0.5 and at 0.9, because average precision asks for
    tight boxes too (streamd/score/agreement.py).
    """

    def __init__(
        self,
        manifest: Manifest,
        geometries: Sequence[Letterbox],
        truths: Sequence[Truth] = (),
        labels: tuple[str, ...] = (),
        *,
        confidence: float = 0.25,
        path: Path = Path("model"),
    ) -> None:
        """`labels` are the names of the classes in `truths`; `path` is what errors call the model.

        Raises:
            DataError: the model and the labels have no class in common.
        """
        classifier = manifest.head == "classify"
        self.name = ("Top-1" if classifier else "mAP50-95") if truths else "agreement"
        self._outputs = tuple(output.name for output in manifest.outputs)
        self._geometries, self._truths, self._labels = geometries, truths, labels
        self._confidence = confidence
        self._expected: Sequence[Detections] = ()
        self._translation: I32 | None = translation(path, manifest, labels) if truths else None
        if truths:
            least = 0.0 if classifier else LEAST_CONFIDENCE
            self._head: Head = HEADS[manifest.head](manifest, confidence=least, iou=NMS_IOU, max_detections=MOST)
        else:
            self._head = HEADS[manifest.head](manifest, confidence=max(0.0, confidence - MARGIN))

    def read(self, outputs: Mapping[str, Array], picture: int) -> Detections:
        """Return what the `outputs` of the model, by name, say of picture number `picture`."""
        (found,) = self._head([outputs[name][:1] for name in self._outputs], [self._geometries[picture]])
        if self._translation is None:
            return found
        kinds = self._translation[found.class_ids]
        known = kinds >= 0
        return replace(found, boxes=found.boxes[known], scores=found.scores[known], class_ids=kinds[known])

    def refer(self, found: Sequence[Detections]) -> None:
        """Let agreement be with `found`, the float model's answers."""
        self._expected = found

    def blind(self, found: Sequence[Detections]) -> str:
        """Return why `found`, the float model's answers, have nothing to lose; nothing where they have."""
        if self._truths:
            return "" if self.quality(found) > 0 else f"the float model's {self.name} on these labels is 0"
        if any((one.scores >= self._confidence).any() for one in found):
            return ""
        return f"the float model finds nothing on these pictures with a confidence of {self._confidence:g}"

    def quality(self, found: Sequence[Detections]) -> float:
        """Return how good the answers to all pictures are; higher is better."""
        if not self._truths:
            tally = Tally(self._confidence)
            for one, other in zip(found, self._expected, strict=True):
                tally.add(one, other)
            result = tally.result()
            return (result.matched50 + result.matched90) / 2
        if self.name == "Top-1":
            return classify.score(self._truths, found).top1
        return detect.score(self._truths, found, self._labels).map50_95
