"""From `streamd keygen` to messages that only a permitted client reads, by commands alone."""

import signal

import pytest
import yaml


@pytest.mark.timeout(60)
def test_a_client_that_is_on_the_list_reads_and_another_does_not(house, tmp_path, write_model, write_clip):
    for name in ("server", "friend", "stranger"):
        code, out, err = house.run("keygen", name)
        assert code == 0, err
        assert (tmp_path / f"{name}.public").read_text().strip() in out
    (tmp_path / "clients").write_text((tmp_path / "friend.public").read_text())
    config = house.config(
        {"a": {"uri": str(write_clip(tmp_path / "clip.mp4", 25)), "loop": True}},
        {"path": str(write_model(tmp_path / "nothing.onnx"))},
    )
    tree = yaml.safe_load(config.read_text())
    keys = {"curve_secret_key_file": "server.secret", "curve_client_keys_file": "clients"}
    tree["publish"]["detections"] |= keys
    tree["publish"]["video"] = None
    config.write_text(yaml.safe_dump(tree))
    daemon = house.start("serve", config)
    known = ("--server-key", "server.public", "--secret-key")
    stranger = house.start("subscribe", house.detections, *known, "stranger.secret")
    plain = house.start("subscribe", house.detections)
    code, out, err = house.run("subscribe", house.detections, *known, "friend.secret", "--count", "20")
    assert (code, len(out.splitlines())) == (0, 20), err
    while '"refused a client"' not in house.printed(daemon)[1]:
        assert daemon.poll() is None
    assert house.end(stranger)[0] == house.end(plain)[0] == ""
    house.end(daemon, signal.SIGTERM)
    assert daemon.returncode == 0


def test_a_secret_key_alone_is_no_use(house):
    code, _, err = house.run("subscribe", "--secret-key", "mine.secret")
    assert (code, err) == (1, "streamd: a secret key alone encrypts nothing; give --server-key FILE too\n")
