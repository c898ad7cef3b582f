import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.errors import ModelError
from streamd.infer import engines
from streamd.infer.engines import Here
from streamd.infer.guess import guess
from streamd.infer.tensors import Tensor
from streamd.manifest import Built

PLAN = b"ptrt" + bytes(range(200))
L4 = Built("10.3.0", "NVIDIA L4", "8.9", "ab" * 32, onnx="street.onnx", options=("--batch", "1,8,16"))
HERE = Here("tensorrt", "10.3.0", "NVIDIA L4", "8.9", "ab" * 32)


def with_options(*options, **changes):
    values = {name: getattr(L4, name) for name in L4.__struct_fields__}
    return Built(**(values | {"options": options} | changes))


def here(**changes):
    return Here(**({name: getattr(HERE, name) for name in Here.__slots__} | changes))


@pytest.fixture
def write(tmp_path):
    def write(data):
        path = tmp_path / "m.engine"
        path.write_bytes(data)
        return path

    return write


def headed(said):
    text = json.dumps(said).encode()
    return len(text).to_bytes(4, "little") + text + PLAN


def test_a_plan_alone(write):
    found = engines.read(write(PLAN))
    assert (bytes(found.plan), found.metadata) == (PLAN, {})


def test_a_plan_behind_the_header_of_ultralytics(write):
    said = {"task": "detect", "imgsz": [640, 480], "stride": 32, "names": {"0": "person", "1": "it's"}}
    found = engines.read(write(headed(said)))
    assert bytes(found.plan) == PLAN
    assert found.metadata["imgsz"] == "[640, 480]"
    assert found.metadata["names"] == """{0: 'person', 1: "it's"}"""


@pytest.mark.parametrize("key", ["9" * 5000, "²", "-1", "x"])
def test_a_name_under_no_number_stays_under_what_it_is(write, key):
    assert engines.read(write(headed({"names": {key: "cat"}}))).metadata["names"] == repr({key: "cat"})


def test_the_header_serves_to_recognise_the_model(write):
    found = engines.read(write(headed({"task": "detect", "imgsz": [640, 640], "names": {"0": "cat", "1": "dog"}})))
    inputs, outputs = [Tensor("images", "float32", (1, 3, 640, 640))], [Tensor("output0", "float32", (1, 6, 8400))]
    about = guess(write(PLAN), inputs, outputs, found.metadata)
    assert (about.head, about.labels) == ("yolov8", ("cat", "dog"))


@pytest.mark.parametrize(
    "data",
    [
        b"\x05\x00\x00\x00hello" + PLAN,
        b"\x02\x00\x00\x00{]" + PLAN,
        b"\x04\x00\x00\x00{\xff\xff}" + PLAN,
        b"\xff\xff\xff\xff" + PLAN,
        b"\x00\x00\x00\x00" + PLAN,
        b"pt",
    ],
)
def test_what_is_no_header_is_left_to_tensorrt(write, data):
    found = engines.read(write(data))
    assert (bytes(found.plan), found.metadata) == (data, {})


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=50))
def test_any_bytes_are_read_or_refused(tmp_path_factory, head, rest):
    path = tmp_path_factory.getbasetemp() / "any.engine"
    for data in (head, len(head).to_bytes(4, "little") + head + rest, len(head).to_bytes(4, "little") + b"{" + head):
        path.write_bytes(data)
        try:
            assert data.endswith(bytes(engines.read(path).plan))
        except ModelError as error:
            assert "holds no engine" in str(error)


@pytest.mark.parametrize("data", [b"", headed({"a": 1})[: -len(PLAN)]])
def test_an_engine_without_a_plan(write, data):
    with pytest.raises(ModelError, match="holds no engine; build it again"):
        engines.read(write(data))


def test_one_that_cannot_be_read(tmp_path):
    with pytest.raises(ModelError, match="No such file or directory; name an engine"):
        engines.read(tmp_path / "gone.engine")


def test_an_engine_for_here_is_taken(tmp_path):
    assert engines.check(tmp_path / "m.engine", L4, HERE) == []


@pytest.mark.parametrize(
    ("built", "at", "said"),
    [
        (
            L4,
            here(version="11.4.0"),
            "built for TensorRT 10.3.0 on NVIDIA L4 (sm_89), this is TensorRT 11.4.0 on NVIDIA L4 (sm_89)",
        ),
        (
            L4,
            here(gpu="Tesla T4", compute_capability="7.5"),
            "built for TensorRT 10.3.0 on NVIDIA L4 (sm_89), this is TensorRT 10.3.0 on Tesla T4 (sm_75)",
        ),
        (L4, here(library="tensorrt_rtx"), "this is TensorRT-RTX 10.3.0 on NVIDIA L4 (sm_89)"),
        (with_options("--version-compatible"), here(version="8.6.1"), "this is TensorRT 8.6.1"),
        (with_options("--hardware-compatible"), here(gpu="Tesla T4", compute_capability="7.5"), "Tesla T4 (sm_75)"),
        (L4, here(onnx_sha256="cd" * 32), "built from street.onnx abababababab (sha256), which now is cdcdcdcdcdcd"),
    ],
)
def test_a_stale_or_foreign_engine_is_refused_with_both_sides_and_the_command(tmp_path, built, at, said):
    path = tmp_path / "m.engine"
    with pytest.raises(ModelError) as error:
        engines.check(path, built, at)
    assert said in str(error.value)
    command = f"streamd build {tmp_path}/street.onnx --out {path} {' '.join(built.options)}".strip()
    assert str(error.value).endswith(f"; build it anew: {command}")


@pytest.mark.parametrize(
    ("built", "at"),
    [
        (with_options("--version-compatible"), here(version="10.16.1.11")),
        (with_options("--version-compatible"), here(version="11.0.0")),
        (with_options("--hardware-compatible"), here(gpu="NVIDIA H200", compute_capability="9.0")),
        (with_options(library="tensorrt_rtx"), here(library="tensorrt_rtx", gpu="T4", compute_capability="7.5")),
        (with_options(gpu="", compute_capability=""), HERE),
        (L4, here(gpu="", compute_capability="", onnx_sha256="")),
    ],
)
def test_what_still_fits(tmp_path, built, at):
    engines.check(tmp_path / "m.engine", built, at)


def test_another_gpu_of_its_kind_is_a_warning(tmp_path):
    (warning,) = engines.check(tmp_path / "m.engine", L4, here(gpu="NVIDIA L40"))
    assert "built on NVIDIA L4, this is NVIDIA L40" in warning


def test_a_command_can_be_pasted(tmp_path):
    built = with_options("--cache", "my cache", onnx="../my model.onnx")
    assert engines.rebuild(tmp_path / "m.engine", built).endswith("--cache 'my cache'")
    assert f"'{tmp_path}/../my model.onnx'" in engines.rebuild(tmp_path / "m.engine", built)
