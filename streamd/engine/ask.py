"""What a build is asked for: a value, and the options of `streamd build` that would ask for the same again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Int8 = Literal["qdq", "calibrator", "dynamic-range"]
Calibrator = Literal["entropy2", "minmax", "entropy", "legacy"]


@dataclass(frozen=True, slots=True)
class Ask:
    """What shall be built of `model`, and become `out`.

    batch: frames of a run, (least, usual, most), of a model that leaves it open; None for 1, 4, 8.
    size: (width, height) of a model that leaves them open.
    fp16: what is float32 in the file becomes float16 first; before strong typing, the builder may choose FP16.
    workspace: bytes that layers may use at most; None for what TensorRT takes by itself.
    level: 0 to 5, how long to search for fast kernels; None for TensorRT's own, 3.
    facts: the options that tell of what else the engine is made, such as `--cache` and its path.
    """

    model: Path
    out: Path
    batch: tuple[int, int, int] | None = None
    size: tuple[int, int] | None = None
    fp16: bool = False
    int8: Int8 = "qdq"
    calibrator: Calibrator = "entropy2"
    workspace: int | None = None
    level: int | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    strict: bool = False
    facts: tuple[str, ...] = ()

    @property
    def implicit(self) -> bool:
        """Whether TensorRT chooses what runs in INT8, instead of the file's Q and DQ nodes."""
        return self.int8 != "qdq"

    def options(self) -> tuple[str, ...]:
        """Return the options that shape the engine, each as the command line takes it; what is usual is left out."""
        said: list[str] = []
        for name, values in (("--batch", self.batch), ("--size", self.size)):
            if values:
                said += [name, (",", "x")[name == "--size"].join(map(str, values))]
        if self.implicit:
            said += ["--int8", self.int8]
        if self.int8 == "calibrator":
            said += ["--calibrator", self.calibrator]
        for name, number in (("--workspace", self.workspace), ("--level", self.level)):
            if number is not None:
                said += [name, str(number)]
        flags = {
            "--fp16": self.fp16,
            "--version-compatible": self.version_compatible,
            "--hardware-compatible": self.hardware_compatible,
        }
        said += [name for name, given in flags.items() if given]
        return (*said, *self.facts)
