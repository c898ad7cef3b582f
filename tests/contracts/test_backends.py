"""What every backend keeps, whichever library runs it."""

import shutil
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamd.errors import Abandoned, ModelError
from streamd.infer import BACKENDS, load


def onnx_model(folder):
    """Two pictures of 3x8x8 in, the value of the first pixel of each and its double out, as logits."""
    nodes = [
        helper.make_node("Slice", ["images", "from", "to", "axes"], ["pixel"]),
        helper.make_node("Flatten", ["pixel"], ["one"]),
        helper.make_node("Add", ["one", "one"], ["two"]),
        helper.make_node("Concat", ["one", "two"], ["logits"], axis=1),
    ]
    constants = {"from": [0, 0, 0], "to": [1, 1, 1], "axes": [1, 2, 3]}
    graph = helper.make_graph(
        nodes,
        "contract",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor(name, TensorProto.INT64, [3], value) for name, value in constants.items()],
    )
    path = folder / "contract.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def engine(folder):
    """The same as an engine of tests/infer/standin.py."""
    return shutil.copy(onnx_model(folder), folder / "contract.engine")


MODELS = {".engine": engine, ".onnx": onnx_model}
DEVICES = {".engine": "cuda:0", ".onnx": "cpu"}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request, tmp_path, host_as_tensorrt):
    host_as_tensorrt()
    loaded = load(MODELS[request.param](tmp_path), batch=2, device=DEVICES[request.param])
    yield loaded
    loaded.close()


def test_every_backend_has_a_model_to_be_tested_with():
    assert MODELS.keys() == BACKENDS.keys()


def test_there_are_at_least_two_slots(backend):
    assert len(backend.ring) >= 2


def test_input_is_rows_of_channels_height_width(backend):
    image = backend.manifest.input
    assert backend.input(0).shape == (backend.batch, image.channels, image.height, image.width)
    assert backend.input(0).dtype == image.dtype


def test_input_is_one_block_of_memory(backend):
    assert backend.input(0).flags.c_contiguous


def test_slots_share_no_memory(backend):
    assert not np.shares_memory(backend.input(0), backend.input(1))


def test_outputs_have_the_rows_of_the_run(backend):
    backend.input(0)[:, 0, 0, 0] = (3, 4)
    backend.run(0, 2)
    assert [output.tolist() for output in backend.outputs(0, 2)] == [[[3, 6], [4, 8]]]
    backend.run(0, 1)
    assert [output.tolist() for output in backend.outputs(0, 1)] == [[[3, 6]]]


def test_outputs_come_in_the_order_of_the_manifest(backend):
    backend.run(0, 2)
    assert len(backend.outputs(0, 2)) == len(backend.manifest.outputs)


def test_a_run_of_one_slot_leaves_the_outputs_of_the_other(backend):
    backend.input(0)[0] = 5
    backend.input(1)[0] = 7
    backend.run(0, 1)
    kept = backend.outputs(0, 1)[0]
    backend.run(1, 1)
    assert kept.tolist() == [[5, 10]]


def test_a_slot_is_filled_while_another_runs(backend):
    backend.input(0)[:] = 1
    runner = threading.Thread(target=lambda: [backend.run(0, 2) for _ in range(50)])
    runner.start()
    for value in range(50):
        backend.input(1)[:] = value
    runner.join(timeout=10)
    assert not runner.is_alive()
    assert backend.outputs(0, 2)[0].tolist() == [[1, 2], [1, 2]]


def test_close_wakes_who_waits_for_a_slot(backend):
    for _ in range(len(backend.ring)):
        backend.ring.acquire()
    ended = []

    def wait():
        with pytest.raises(Abandoned):
            backend.ring.acquire()
        ended.append(True)

    waiter = threading.Thread(target=wait)
    waiter.start()
    backend.close()
    waiter.join(timeout=10)
    assert ended == [True]


def test_close_is_safe_twice(backend):
    backend.close()


@pytest.mark.parametrize("suffix", sorted(BACKENDS))
def test_an_empty_file_is_a_model_error_that_names_it(suffix, tmp_path):
    path = tmp_path / f"empty{suffix}"
    path.touch()
    with pytest.raises(ModelError, match=f"empty{suffix}"):
        load(path)
