"""`build: on-start` with the real TensorRT 11, which builds without a GPU; what was built then needs one."""

import importlib.util
import shutil
import socket

import pytest

from streamd import bundled, manifest
from streamd.infer import files


@pytest.mark.timeout(300)
def test_the_engine_is_built_while_the_manager_is_told_that_the_start_goes_on(house, tensorrt, tmp_path):
    if importlib.util.find_spec("cupy"):
        pytest.skip("there is CuPy: the daemon would go on")
    for suffix in (".onnx", ".json"):
        shutil.copy((bundled.folder("assets") / "street").with_suffix(suffix), tmp_path)
    model = {"path": "street.engine", "device": "cuda:0", "build": "on-start"}
    config = house.config({"a": {"uri": "bundled:street.mp4"}}, model)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        own = {name: tensorrt[name] for name in ("LD_LIBRARY_PATH", "PYTHONPATH") if name in tensorrt}
        daemon = house.start("serve", config, NOTIFY_SOCKET=str(tmp_path / "notify"), HOME=str(tmp_path), **own)
        told = manager.recv(4096).decode()
        daemon.wait(240)
        manager.setblocking(False)
        while True:
            try:
                told += "\n" + manager.recv(4096).decode()
            except BlockingIOError:
                break
    _, log = house.printed(daemon)
    assert "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=building street.engine, 0 s" in told
    assert "READY" not in told
    about = manifest.load(tmp_path / "street.engine")
    assert about is not None, log
    assert about.built.onnx_sha256 == files.sha256(tmp_path / "street.onnx")
    assert daemon.returncode == 1 and "CuPy is not installed" in log
