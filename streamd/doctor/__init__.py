"""What this machine and this installation have of what streamd can use, and what brings the rest.

    survey(settings, environment) --> Part, Part, ...        each: what, its state, and the step that mends it
    needs(settings)               --> {part: who needs it}   what a configuration cannot do without

Each room looks at what it owns (`decode/probe.py`, `gpu/probe.py`, ...) in a process of its own, child.py, under a
time limit: a broken driver may hang or crash whoever asks it, but not the doctor. machine.py looks at the rest.
"""

from collections.abc import Iterator, Mapping

from streamd.checkup import Part
from streamd.config import Config
from streamd.doctor import machine
from streamd.doctor.child import ask
from streamd.doctor.needs import needs

PATIENCE_S = 60.0  # the longest look by far is the first load of CUDA's libraries from a cold disk

# Each room, and the part that is told as broken when not even the room's own code can be loaded.
ROOMS = {
    "preprocess": "OpenCV",
    "publish": "ZeroMQ",
    "decode": "PyAV",
    "encode": "libx264",
    "infer": "ONNX Runtime",
}


def survey(settings: Config | None, environment: Mapping[str, str], patience_s: float = PATIENCE_S) -> Iterator[Part]:
    """Yield every part, as soon as it is known. No look takes longer than `patience_s`.

    Once a GPU has kept a look waiting for so long, it is not asked again: all that could be told is not tried.
    """
    for probe in machine.probes(0 if settings is None else len(settings.cameras)):
        yield probe()
    answers = True
    for room, first in {"gpu": "driver", **ROOMS}.items():
        for answer in ask(room, first, environment, patience_s, gpu=answers):
            answers = answers and not (answer.gpu and answer.timed_out)
            yield answer.part


__all__ = ["ROOMS", "Part", "needs", "survey"]
