"""The real TensorRT 11 and TensorRT-RTX, without a GPU: what ../shared/tools/tensorrt-without-a-gpu lays out.

Both parse, configure and build; neither loads or runs an engine. They run in processes of their own, under the
environment that is returned here: a library's path is read when a process begins.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "shared/tools/tensorrt-without-a-gpu"
LAID_OUT = Path(tempfile.gettempdir()) / "streamd-tensorrt-without-a-gpu"  # kept: it is downloaded
RTX = "tensorrt-rtx-cu13-bindings==1.7.1.116"  # the version of the library that the tool lays out


class Unavailable(Exception):
    """It cannot be had here, and why."""


def tensorrt():
    """The environment of TensorRT 11."""
    if not TOOL.exists():
        raise Unavailable(f"{TOOL} is not there")
    if not (LAID_OUT / "env").exists():
        _run([str(TOOL), str(LAID_OUT)], env=os.environ | {"PYTHON": sys.executable})
    told = _run([str(LAID_OUT / "env")])
    pairs = (word.split("=", 1) for word in shlex.split(told) if "=" in word)
    return os.environ | {key: value.split("${")[0] for key, value in pairs}


def tensorrt_rtx():
    """The environment of TensorRT-RTX, and of no other."""
    environment = tensorrt()
    site = LAID_OUT / "rtx"
    if not (site / "tensorrt_rtx" / "__init__.py").exists():
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        _run([*pip, "-d", str(LAID_OUT / "wheels"), RTX])
        wheel = next((LAID_OUT / "wheels").glob("tensorrt_rtx_cu13_bindings-*.whl"))
        zipfile.ZipFile(wheel).extractall(site)
        (site / "tensorrt_rtx").mkdir(exist_ok=True)
        names = "from tensorrt_rtx_bindings import *\nfrom tensorrt_rtx_bindings import __version__\n"
        (site / "tensorrt_rtx" / "__init__.py").write_text(names)
    return environment | {"PYTHONPATH": str(site)}


def _run(command, env=None):
    done = subprocess.run(command, env=env, capture_output=True, check=False, text=True)
    if done.returncode:
        raise Unavailable(f"TensorRT cannot be laid out: {done.stderr[-300:]}")
    return done.stdout
