import os

from streamd import doctor
from streamd.checkup import Part, Probe
from streamd.doctor.child import Answer


def test_a_base_installation_has_every_part_of_the_base():
    parts = {part.name: part for part in doctor.survey(None, os.environ)}
    assert {name: parts[name].state for name in doctor.needs(None)} == dict.fromkeys(doctor.needs(None), "ok")
    assert {"driver", "CuPy", "NVDEC H.264", "NVDEC HEVC", "NVDEC AV1", "h264_nvenc", "TensorRT"} <= set(parts)
    assert {"ONNX Runtime CUDA", "clock", "/dev/shm", "open files", "systemd", "CPU", "CPU INT8"} <= set(parts)


def test_a_gpu_that_hangs_in_one_room_is_not_asked_by_another(monkeypatch):
    asked = []

    def ask(room, first, environment, patience_s, *, gpu):
        asked.append((room, gpu))
        yield Answer(Part(first, "broken", "hangs"), gpu=True, timed_out=room == "decode")

    monkeypatch.setattr(doctor, "ask", ask)
    monkeypatch.setattr(doctor.machine, "probes", lambda cameras: [Probe("CPU", lambda: "1 core")])
    names = [part.name for part in doctor.survey(None, {})]
    assert names == ["CPU", "driver", *doctor.ROOMS.values()]
    assert dict(asked) == {
        "gpu": True, "preprocess": True, "publish": True, "decode": True, "encode": False, "infer": False,
    }  # fmt: skip


def test_a_crash_keeps_nobody_from_asking(monkeypatch):
    asked = []

    def ask(room, first, environment, patience_s, *, gpu):
        asked.append(gpu)
        yield Answer(Part(first, "broken", "crashed"), gpu=True)

    monkeypatch.setattr(doctor, "ask", ask)
    monkeypatch.setattr(doctor.machine, "probes", lambda cameras: [])
    list(doctor.survey(None, {}))
    assert asked == [True] * 6
