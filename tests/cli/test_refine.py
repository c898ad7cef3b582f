"""`streamd quantize --adaround` and `--qat`: what they write, what they refuse, and that Ctrl-C keeps what is done."""

import importlib.util

import cv2
import msgspec
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from streamd import manifest
from streamd.cli import group
from streamd.manifest import Input, Manifest

WAYS = ["adaround", "qat"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier of three layers with its manifest, and eight pictures."""
    folder = tmp_path_factory.mktemp("made")
    random = np.random.default_rng(3)
    weights = {"w": (8, 3, 3, 3), "b": (8,), "v": (8, 8, 3, 3), "m": (4, 8)}
    nodes = [
        helper.make_node("Conv", ["images", "w", "b"], ["a"], "stem", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "v"], ["c"], "body", pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "m"], ["logits"], "fc", transB=1),
    ]
    values = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 16, 16])]
    answers = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4])]
    constants = [
        numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name) for name, shape in weights.items()
    ]
    graph = helper.make_graph(nodes, "small", values, answers, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), folder / "net.onnx")
    manifest.save(Manifest("classify", tuple("abcd"), Input("images", 16, 16)), folder / "net.onnx")
    (folder / "pictures").mkdir()
    for i in range(8):
        picture = random.integers(0, 255, (16, 16, 3), np.uint8)
        cv2.imwrite(str(folder / "pictures" / f"{i}.png"), picture)
    return folder


def quantize(made, out, *options):
    given = ("--data", made / "pictures", "--method", "minmax", "--out", out, "--min-agreement", 0, *options)
    return CliRunner().invoke(group, ["quantize", str(made / "net.onnx"), *map(str, given)])


@pytest.mark.parametrize("way", WAYS)
def test_both_files_are_written_and_nothing_else_stays(made, tmp_path, way):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    done = quantize(made, tmp_path / "out", f"--{way}", "--steps", 5, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert f"{way}: 6 pictures" in done.stdout
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {f"net.{kind}.{suffix}" for kind in ("trt", "cpu") for suffix in ("onnx", "json")}
    about = msgspec.json.decode((tmp_path / "out/net.trt.json").read_bytes())["quantization"]
    assert about[way] == "not used" or about[way]["pictures"] == 6


@pytest.mark.parametrize("way", WAYS)
def test_what_is_interrupted_keeps_what_is_done_and_goes_on(made, tmp_path, monkeypatch, way):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from streamd.int8.refine import adaround, checkpoint  # noqa: PLC0415

    save, saved = checkpoint.Checkpoint.save, []

    def save_and_stop(self, name, values):
        save(self, name, values)
        saved.append(name)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoint, "save", save_and_stop)
    stopped = quantize(made, tmp_path / "out", f"--{way}", "--steps", 60, "--device", "cpu")
    assert stopped.exit_code == 1
    assert f"what is done is kept in {tmp_path / 'out' / f'net.{way}'}" in stopped.stderr
    assert [file.suffix for file in (tmp_path / "out" / f"net.{way}").iterdir()] == [".npz"]
    monkeypatch.setattr(checkpoint.Checkpoint, "save", save)
    again = []
    learn = adaround._reconstructed
    monkeypatch.setattr(adaround, "_reconstructed", lambda *given: again.append(1) or learn(*given))
    done = quantize(made, tmp_path / "out", f"--{way}", "--steps", 60, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert len(again) == (1 if way == "adaround" else 0)  # of two layers
    assert not (tmp_path / "out" / f"net.{way}").exists()


@pytest.mark.parametrize("way", WAYS)
def test_without_torch_it_is_told_what_to_install(made, tmp_path, monkeypatch, way):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = quantize(made, tmp_path / "out", f"--{way}")
    assert done.exit_code == 1
    assert f"--{way} needs PyTorch, which is not installed; pip install 'streamd[train]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_pictures_there_is_nothing_to_learn_from(made, tmp_path):
    given = ["--calibration", str(tmp_path / "seen"), "--out", str(tmp_path / "out"), "--qat"]
    done = CliRunner().invoke(group, ["quantize", str(made / "net.onnx"), *given])
    assert done.exit_code == 1
    assert "--qat needs pictures to learn from; give --data" in done.stderr


def test_one_of_the_two_is_enough(made, tmp_path):
    assert quantize(made, tmp_path / "out", "--qat", "--adaround").exit_code == 2


def test_a_device_that_is_not_there_is_told(made, tmp_path):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    done = quantize(made, tmp_path / "out", "--qat", "--device", "cuda:77")
    assert done.exit_code == 1
    assert "--device cuda:77: " in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_what_is_interrupted_before_anything_is_done_promises_nothing(made, tmp_path, monkeypatch, way):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from streamd.int8.refine import adaround, distill  # noqa: PLC0415

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(adaround, "learn", stop)
    monkeypatch.setattr(distill, "train", stop)
    stopped = quantize(made, tmp_path / "out", f"--{way}", "--device", "cpu")
    assert stopped.exit_code == 1
    assert "interrupted" not in stopped.stderr
    assert not (tmp_path / "out").exists()


def test_a_place_for_checkpoints_that_is_none_is_told_before_the_work(made, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    (tmp_path / "file").touch()
    done = quantize(made, tmp_path / "out", "--qat", "--checkpoints", tmp_path / "file" / "kept")
    assert done.exit_code == 1
    assert (
        done.stderr
        == f"streamd: --checkpoints {tmp_path}/file/kept: {tmp_path}/file is no folder; name another folder\n"
    )


def test_a_rate_that_is_no_number_is_a_usage_error(made, tmp_path):
    assert quantize(made, tmp_path / "out", "--qat", "--rate", "nan").exit_code == 2


@pytest.mark.parametrize("way", WAYS)
def test_what_torch_cannot_run_is_one_line(made, tmp_path, monkeypatch, way):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from streamd.int8.refine import adaround, distill  # noqa: PLC0415

    def full(*_, **__):
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr(adaround, "learn", full)
    monkeypatch.setattr(distill, "train", full)
    done = quantize(made, tmp_path / "out", f"--{way}", "--device", "cpu")
    assert done.exit_code == 1
    told = f"net.onnx: torch cannot run it for --{way}: CUDA out of memory. Tried to allocate 2 GiB; if memory is short"
    assert told in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
