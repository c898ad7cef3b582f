import os

import pytest

from streamd.config.sockets import check_publish


@pytest.fixture
def faults(tmp_path):
    """The faults of a `publish` and `metrics` section, as key and message."""

    def faults(publish=None, metrics=None):
        tree = {"publish": publish or {}, **({"metrics": metrics} if metrics is not None else {})}
        return [(".".join(map(str, fault.path)), fault.message) for fault in check_publish(tree, tmp_path)]

    return faults


@pytest.mark.parametrize("path", ["out.jsonl", "file:out.jsonl"])
def test_a_file_to_write_is_looked_for_where_it_will_be_written(faults, path):
    assert faults({"file": {"path": path}}) == []


def test_what_streamd_brings_is_not_written(faults):
    assert faults({"file": {"path": "bundled:street.json"}}) == [
        ("publish.file.path", "bundled: names what streamd brings, to be read; name a file of your own")
    ]


@pytest.mark.parametrize(
    "bind",
    ["tcp://127.0.0.1:5555", "tcp://[::1]:5555", "tcp://localhost:5555", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0"],
)
def test_loopback_needs_nothing_more(faults, bind):
    assert faults({"detections": {"bind": bind}}) == []


@pytest.mark.parametrize(
    "bind", ["tcp://*:5555", "tcp://0.0.0.0:5555", "tcp://192.0.2.1:5555", "tcp://[::]:5555", "tcp://eth0:5555"]
)
def test_an_address_that_strangers_reach_needs_a_key_or_a_word(faults, bind):
    ((key, said),) = faults({"detections": {"bind": bind}})
    assert key == "publish.detections.bind"
    assert "insecure: true" in said
    assert faults({"detections": {"bind": bind, "insecure": True}}) == []


@pytest.fixture
def key(tmp_path):
    (tmp_path / "key").write_text("x" * 40)
    (tmp_path / "key").chmod(0o600)
    return "key"


def test_a_key_and_a_list_let_strangers_in(faults, key, tmp_path):
    (tmp_path / "clients").write_text(f"# one\n\n{'y' * 40} the office\n")
    detections = {"bind": "tcp://*:5555", "curve_secret_key_file": key, "curve_client_keys_file": "clients"}
    assert faults({"detections": detections}) == []


def test_a_key_alone_does_not(faults, key):
    detections = {"bind": "tcp://*:5555", "curve_secret_key_file": key}
    ((place, said),) = faults({"detections": detections})
    assert place == "publish.detections.bind"
    assert "whoever knows the public key is let in; give a `curve_client_keys_file`" in said
    assert faults({"detections": {**detections, "insecure": True}}) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("# nobody", "holds no key yet"), ("a\n", "line 1 begins with no public key"), (None, "cannot be read")],
)
def test_a_list_of_clients_is_looked_at(faults, key, tmp_path, text, said):
    if text is not None:
        (tmp_path / "clients").write_text(text)
    ((place, message),) = faults({"detections": {"curve_secret_key_file": key, "curve_client_keys_file": "clients"}})
    assert place == "publish.detections.curve_client_keys_file"
    assert said in message


def test_a_list_of_clients_needs_a_key(faults, tmp_path):
    (tmp_path / "clients").write_text("y" * 40)
    ((_, message),) = faults({"video": {"curve_client_keys_file": "clients"}})
    assert "nothing is encrypted" in message


def test_metrics_that_strangers_reach_need_a_token_or_a_word(faults, key):
    ((place, said),) = faults(metrics={"bind": "0.0.0.0:9464"})
    assert place == "metrics.bind"
    assert "token_file" in said
    assert faults(metrics={"bind": "0.0.0.0:9464", "token_file": key}) == []
    assert faults(metrics={"bind": "0.0.0.0:9464", "insecure": True}) == []


@pytest.mark.parametrize(
    "bind", ["5555", "tcp://127.0.0.1", "udp://127.0.0.1:5555", "tcp://127.0.0.1:99999", "tcp://a b:1", ""]
)
def test_what_is_no_address_is_told(faults, bind):
    found = faults({"detections": {"bind": bind}})
    assert not bind or "is no address; write tcp://127.0.0.1:5555" in found[0][1]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("relative.sock", "no absolute path"),
        ("@abstract", "no absolute path"),
        ("/nowhere/a.sock", "there is no folder /nowhere"),
        ("/tmp", "is a folder"),
        ("/" + "x" * 200, "107 bytes at most"),
    ],
)
def test_a_bad_ipc_path_is_told(faults, path, words):
    ((_, said),) = faults({"video": {"bind": f"ipc://{path}"}})
    assert words in said


def test_a_good_ipc_path_is_taken(faults, tmp_path):
    assert faults({"detections": {"bind": f"ipc://{tmp_path}/d.sock"}}) == []


@pytest.mark.parametrize(
    ("detections", "video"),
    [
        ("tcp://127.0.0.1:5556", None),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
        ("tcp://127.0.0.1:1", "tcp://localhost:1"),
        ("ipc:///tmp/a", "ipc:///tmp/a"),
    ],
)
def test_two_sockets_on_one_address_are_told(faults, detections, video):
    found = faults({"detections": {"bind": detections}, "video": {"bind": video} if video else {}})
    assert found == [
        ("publish.video.bind", "is the address of `publish.detections` too; give one of them another port")
    ]


def test_the_port_of_the_metrics_may_not_be_a_sockets(faults):
    ((key, _),) = faults(metrics={"bind": "127.0.0.1:5555"})
    assert key == "metrics.bind"


@pytest.mark.parametrize("port", ["*", "0"])
def test_ports_that_the_system_chooses_do_not_collide(faults, port):
    assert (
        faults({"detections": {"bind": f"tcp://127.0.0.1:{port}"}, "video": {"bind": f"tcp://127.0.0.1:{port}"}}) == []
    )


def test_without_video_its_default_port_is_free(faults):
    assert faults({"detections": {"bind": "tcp://127.0.0.1:5556"}, "video": None}) == []


@pytest.mark.parametrize(("bind", "words"), [(":9464", "is no address"), ("0.0.0.0:9464", "other machines reach")])
def test_the_address_of_the_metrics_is_checked(faults, bind, words):
    ((_, said),) = faults(metrics={"bind": bind})
    assert words in said


@pytest.mark.parametrize(("path", "words"), [("nowhere/x.jsonl", "there is no folder"), (".", "is a folder")])
def test_a_file_that_cannot_be_written_is_told(faults, path, words):
    ((key, said),) = faults({"file": {"path": path}})
    assert key == "publish.file.path"
    assert words in said


def test_a_pipe_to_write_to_is_told_since_it_would_wait_for_a_reader(faults, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    ((key, said),) = faults({"file": {"path": "pipe"}})
    assert key == "publish.file.path"
    assert said.endswith("is a pipe; name a regular file")


def test_an_unknown_preset_is_told(faults):
    ((_, said),) = faults({"video": {"preset": "verfast"}})
    assert said == "there is no preset 'verfast'; did you mean `veryfast`?"
