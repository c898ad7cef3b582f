import os
import subprocess
import sys

from streamd import bundled

LOADS = "import streamd, onnxruntime, sys; onnxruntime.InferenceSession(sys.argv[1])"


def test_onnx_runtime_keeps_no_identifier_of_the_machine_and_reports_nothing(tmp_path):
    told = {key: value for key, value in os.environ.items() if key not in {"CI", "ORT_DISABLE_TELEMETRY"}}
    subprocess.run(
        [sys.executable, "-c", LOADS, str(bundled.folder("assets") / "street.onnx")],
        env={**told, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        check=True,
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
