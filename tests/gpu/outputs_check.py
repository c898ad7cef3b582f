"""Models whose runs cannot be CUDA graphs, on ONNX Runtime's CUDA provider: `tests/gpu/outputs_check.py [WHERE]`.

WHERE is `cuda:0`, or `host` to try the script. NMS within the model is to be refused (streamd/infer/operators.py). An
operator that only the CPU has would be left out of a graph (odd_models.py), so none is made: on the GPU the model finds
what it finds on the CPU, run after run in every slot. Needs the repository's root on PYTHONPATH. Ends with PASS, or
FAIL and exit status 1.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import structlog

from streamd import infer, log
from streamd.errors import StreamdError
from streamd.infer.operators import FATAL
from tests.gpu.ledger import end, say
from tests.gpu.odd_models import ODD, picture
from tests.gpu.on_host import opened

RUNS = 60
CLOSE = 2e-3  # of the small models' sums, which TF32 may round


def main(where="cuda:0"):
    log.setup("warning", "console")
    faults = []
    with tempfile.TemporaryDirectory() as name, opened(where, Path(name)):
        for kind, make in ODD.items():
            path = Path(name) / f"{kind}.onnx"
            path.write_bytes(make())
            faults += tried(kind, path)
    end(faults)


def tried(kind, path):
    """Both backends, what one of them did not do as it should, and whether graphs were refused."""
    with structlog.testing.capture_logs() as lines:
        try:
            backend, other = infer.load(path, device="cuda:0"), infer.load(path)
        except StreamdError as error:
            if FATAL in str(error) and kind != "host":
                say(kind, "refused, as it holds what ends the process")
                return []
            return [f"{kind}: {error}"]
    refused = [line["reason"][:110] for line in lines if line["event"] == "no CUDA graphs"]
    try:
        told, faults = compared(backend, other)
    except StreamdError as error:
        told, faults = "failed", [str(error)]
    backend.close()
    other.close()
    say(kind, f"{told}; {refused[0] if refused else 'no graph was refused'}")
    return [f"{kind}: {fault}" for fault in faults]


def both(backend, other, run, rows):
    """What a run gives on either."""
    slot = run % len(backend.ring)
    backend.input(slot)[:] = rows
    backend.run(slot, 1)
    other.input(run % len(other.ring))[:] = rows
    other.run(run % len(other.ring), 1)
    return backend.outputs(slot, 1)[0].copy(), other.outputs(run % len(other.ring), 1)[0].copy()


def compared(backend, other):
    rng, faults, lengths = np.random.default_rng(0), [], set()
    for run in range(RUNS):
        got, want = both(backend, other, run, picture(rng))
        lengths.add(got.shape[1])
        if got.shape != want.shape or not np.allclose(got, want, rtol=CLOSE, atol=CLOSE):
            faults.append(f"run {run} gives {got.shape}, the CPU {want.shape}: {got.ravel()[:6]} {want.ravel()[:6]}")
    return f"{RUNS} runs, outputs of {min(lengths)} to {max(lengths)} rows", faults


if __name__ == "__main__":
    main(*sys.argv[1:])
