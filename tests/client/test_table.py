import pytest

from streamd.client import table

CAMERA = {
    "state": "online",
    "reason": "",
    "last_frame_age_s": 0.04,
    "fps": 25.0,
    "decoded": 1000,
    "published": 990,
    "corrupt": 2,
    "dropped": {"model": 3, "film": 1},
    "waiting": {},
    "reconnects": {"timeout": 4},
    "latency_mean_ms": 31.4,
    "video": {"wanted": True, "packets": 5},
}


@pytest.fixture
def status():
    away = {**CAMERA, "state": "failed", "reason": "wrong\x1b[2J password", "last_frame_age_s": None, "fps": 0.0}
    return {
        "version": "1",
        "uptime_s": 7300,
        "ready": True,
        "live": True,
        "config": {"generation": 2, "refused_because": ""},
        "subscriptions": {"video": 1},
        "gpu_memory_bytes": {"cuda:0": 3 << 30},
        "cameras": {"front-door": CAMERA, "yard": away},
        "models": {"street": {"frames": 7, "rows_mean": 2.5, "stage_mean_ms": {"run": 4.2}}},
    }


def test_the_daemon_its_cameras_and_its_models(status):
    head, _, names, front, yard, model = table.lines(status, 200)
    assert head == "streamd 1, up 2 h, ready, configuration 2, 1 reading video, cuda:0 3.0 GiB"
    assert names.split() == [name for name in table.COLUMNS if name]
    assert front.split() == ["front-door", "online", "25.0", "0.0", "s", "31", "ms", "1000", "6", "4", "watched"]
    assert yard.split()[:4] == ["yard", "failed", "0.0", "-"]
    assert model == "model street: 7 frames, 2.5 a run  run 4.2 ms"


def test_nothing_that_a_camera_says_moves_the_cursor(status):
    assert "\x1b" not in "".join(table.lines(status, 200))
    coloured = table.lines(status, 200, colour=True)
    assert "\x1b[32monline\x1b[0m" in coloured[3] and "\x1b[31mfailed\x1b[0m" in coloured[4]
    assert "".join(coloured).count("\x1b") == 4


def test_it_fits_the_terminal(status):
    status["cameras"] |= {f"camera-{number}": CAMERA for number in range(100)}
    shown = table.lines(status, 40, 20)
    assert len(shown) == 20
    assert max(map(len, shown)) <= 40
    assert shown[-1].startswith("and 87 lines more")


def test_a_refused_reload_is_told(status):
    status["config"]["refused_because"] = "cams.yaml:1:1: bad\nworse"
    assert table.head(status).endswith("; last reload refused: cams.yaml:1:1: bad")
