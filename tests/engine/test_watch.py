import io
from pathlib import Path

from streamd.engine import timing
from streamd.engine.target import Target
from streamd.engine.watch import Watch
from streamd.infer.library import Library


def test_all_is_kept_in_the_log_file():
    file = io.StringIO()
    watch = Watch(log=file)
    watch("VERBOSE", "a")
    watch("WARNING", "b")
    assert file.getvalue() == "[VERBOSE] a\n[WARNING] b\n"


def test_a_full_disk_ends_the_log_and_not_the_build():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    watch = Watch(log=Full())
    watch("WARNING", "a")
    watch("WARNING", "b")
    assert watch.warnings == ["the log ends early: No space left on device", "a", "b"]


def test_errors_and_warnings_are_gathered_once_each():
    watch = Watch()
    for severity in ("ERROR", "INTERNAL_ERROR", "WARNING", "WARNING", "INFO", "VERBOSE"):
        watch(severity, f"said as {severity}")
    assert watch.errors == ["said as ERROR", "said as INTERNAL_ERROR"]
    assert watch.warnings == ["said as WARNING"]
    watch.clear()
    assert (watch.errors, watch.warnings) == ([], [])


def test_what_rtx_always_says_is_no_warning():
    watch = Watch()
    watch("INTERNAL_ERROR", "Thread context has not been set! Using global log stream.")
    watch("WARNING", "getHardwareCompatibilityLevel() is unsupported in TensorRT-RTX.")
    assert (watch.errors, watch.warnings) == ([], [])


def test_why_it_failed_is_one_line():
    watch = Watch()
    assert watch.reason() == "it does not say why"
    for number in range(5):
        watch("ERROR", f"reason\n{number}")
    assert watch.reason() == "reason 0; reason 1; reason 2"


def test_the_list_of_layers_is_found_among_the_messages():
    watch = Watch()
    watch("VERBOSE", "Layers:\nName: a, LayerType: kgen, Inputs: []")
    watch("VERBOSE", "something after it")
    assert watch.layers.startswith("Layers:")


def test_each_gpu_and_version_has_timings_of_its_own():
    library = Library(None, "tensorrt", "10.3.0")
    gpus = [Target("NVIDIA L4", "8.9"), Target("NVIDIA A10/../x", "8.6"), None]
    names = [timing.of(library, gpu, Path("/c")).path for gpu in gpus]
    assert [path.name for path in names] == [
        "tensorrt-10.3.0-NVIDIA-L4-sm89.timing",
        "tensorrt-10.3.0-NVIDIA-A10-..-x-sm86.timing",
        "tensorrt-10.3.0-no-gpu.timing",
    ]
    assert {path.parent for path in names} == {Path("/c")}
