from pathlib import Path

import pytest

from streamd import config
from streamd.doctor.needs import BASE, needs

GPU = {"driver", "CuPy"}


@pytest.fixture
def needed(tmp_path):
    """What a configuration needs beyond the base, by who needs it."""
    (tmp_path / "m.onnx").write_bytes(b"")
    (tmp_path / "m.engine").write_bytes(b"")
    (tmp_path / "key").write_text("k" * 40)

    def needed(models, publish="{}", camera_model="a"):
        text = f"models: {models}\ncameras: {{front: {{uri: scenes, model: {camera_model}}}}}\npublish: {publish}\n"
        found = needs(config.parse(text.encode(), Path(tmp_path / "c.yaml"), {}))
        assert set(BASE) <= set(found)
        return {name: who for name, who in found.items() if name not in (*BASE, "open files")}

    return needed


def test_without_a_configuration_only_the_base_is_needed():
    assert needs(None) == dict.fromkeys(BASE, "streamd")


def test_a_model_on_the_cpu_needs_no_more(needed):
    assert needed("{a: {path: m.onnx}}") == {}


def test_a_model_on_a_gpu_needs_that_gpu(needed):
    found = needed("{a: {path: m.onnx, device: 'cuda:1'}}")
    assert found == dict.fromkeys(GPU | {"cuda:1", "ONNX Runtime CUDA"}, "models.a")


def test_an_engine_needs_tensorrt_and_cuda_is_the_first_gpu(needed):
    found = needed("{a: {path: m.engine, device: cuda}}")
    assert found == dict.fromkeys(GPU | {"cuda:0", "TensorRT"}, "models.a")


def test_a_model_that_no_camera_uses_needs_nothing(needed):
    assert needed("{a: {path: m.onnx}, b: {path: m.engine, device: cuda}}") == {}


@pytest.mark.parametrize(("codec", "there"), [("auto", False), ("libx264", False), ("h264_nvenc", True)])
def test_only_a_codec_that_is_named_is_needed(needed, codec, there):
    assert ("h264_nvenc" in needed("{a: {path: m.onnx}}", f"{{video: {{codec: {codec}}}}}")) is there


def test_a_key_needs_encryption(needed):
    found = needed("{a: {path: m.onnx}}", "{detections: {curve_secret_key_file: key}, video: null}")
    assert found == {"CURVE": "publish"}
