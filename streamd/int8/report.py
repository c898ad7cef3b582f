"""What a quantized model is worth: FP32, FP16 and INT8 side by side on pictures, and what INT8 saves on this CPU."""

import tempfile
from dataclasses import replace
from pathlib import Path

from streamd.int8.half import to_half
from streamd.int8.judge import Judge, saving
from streamd.int8.quantize import Trial, Workpiece
from streamd.score import table


def report(piece: Workpiece, trial: Trial, judge: Judge, cpu: Path) -> str:
    """Return the table as text, and the saving equation below it.

    `cpu` is the CPU file that was written. The files for TensorRT are simulated: ONNX Runtime computes what they say
    in floating point, so their times would tell nothing and are left out.
    """
    with tempfile.TemporaryDirectory(prefix="streamd-report-") as name:
        folder = Path(name)
        half = to_half(piece.graph.model, str(piece.path), piece.placement.head.decode)
        fp16 = piece.save(half, folder / "fp16 (simulated).onnx", "fp16")
        trt = piece.save(piece.tensorrt(trial.scales, "fp32"), folder / "int8 TensorRT (simulated).onnx")
        rows = judge.rows([piece.path, cpu], timed=True)
        rows[1:1] = judge.rows([fp16, trt])
        spent = saving(piece.path, cpu, judge.pictures[0])
    sized = [replace(row, model=Path(row.model).stem) for row in rows]
    return "\n".join(
        [table.as_text(sized), "", f"judged on {len(judge.pictures)} pictures, method {trial.method}", str(spent)]
    )
