"""What `streamd bench` prints; what it measures is tested in tests/test_bench.py and tests/test_gpubench.py."""

import json

import pytest
from click.testing import CliRunner

from streamd import bench, cli, gpubench
from streamd.bench import Report, Summary
from streamd.gpubench import DeviceReport, Step

SUMMARY = Summary("street.onnx", 2, 1.5, 123.4, 0.875, (0.875,), 4.5, 6.5, 9.5, 617, 3)
FIELDS = {name: getattr(SUMMARY, name) for name in Summary.__dataclass_fields__}
LATENCY = "  latency     4.5 ms p50, 6.5 p95, 9.5 p99, capture to publication"
PUBLISHED = "  published   617 frames, 3 dropped for newer ones"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command, which measures nothing and reports what is made up."""
    step = Step("gpu-fill", 0.5, 31.25, 2_000_000, 0.25)
    cpu = Report(**FIELDS, threads=1, rounds=1, bare_fps=141.0)
    gpu = DeviceReport(**FIELDS, device="cuda:0", decode_fps=150.0, run_fps=141.0, cpu_percent=42.0,
                       gpu_memory_mb=900.0, copy_gb_per_s=3000.0, steps=(step,))  # fmt: skip
    monkeypatch.setattr(bench, "bench", lambda *_, **__: cpu)
    monkeypatch.setattr(gpubench, "bench", lambda *_, **__: gpu)
    return lambda *arguments: CliRunner().invoke(cli.group, ["bench", *arguments])


def test_a_report_for_people(run):
    said = run().output.splitlines()
    assert said[0] == "street.onnx, 2 camera(s), 1.5 frames a run"
    assert "  bare           141.0 frames/s" in said
    assert said[-2:] == [LATENCY, PUBLISHED]


def test_a_report_of_a_gpu_tells_of_its_parts_and_steps(run):
    said = run("--device", "cuda:0").output.splitlines()
    assert said[0] == "street.onnx on cuda:0, 2 camera(s), 1.5 frames a run"
    assert "  decoding       150.0 frames/s alone" in said
    assert {LATENCY, PUBLISHED} < set(said)
    assert said[-1] == "  gpu-fill       0.500 ms a run,     31.2 us a frame, 2.00 MB at 0.25 of a copy"


def test_a_report_for_programs(run):
    told = json.loads(run("--json").output)
    assert (told["ratio"], told["bare_fps"], told["latency_p95_ms"]) == (0.875, 141.0, 6.5)


def test_a_configuration_names_its_own_model(run, tmp_path):
    done = run(str(tmp_path / "cams.yaml"), "--model", "m.onnx")
    assert done.exit_code == 2
    assert "CONFIG names the model and the cameras: leave --model and --source out" in done.output
