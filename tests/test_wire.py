"""The bytes of the wire, written down."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd import wire
from streamd.errors import ClientError

DETECTIONS = wire.Detections(
    camera="front",
    session=1_700_000_000_000,
    seq=7,
    pts_ns=233_333_333,
    captured_at_ns=1_700_000_000_233_333_333,
    published_at_ns=1_700_000_000_250_000_000,
    width=640,
    height=360,
    model="street",
    detections=(wire.Detection(39, "bottle", 0.93, (286.0, 109.0, 343.0, 315.0)),),
)
EVENT = wire.Event("front", 1, "online", 5)
HEADER = wire.VideoHeader("front", 1, 0, 0, 5, 640, 360, True)
STALLED = wire.Event("front", 1, "offline", 5, "no frame for 2.5 s", "stalled", "stalled")
ALL = [DETECTIONS, EVENT, STALLED, HEADER]


def test_detections_as_json():
    assert json.loads(wire.encode(DETECTIONS)) == {
        "camera": "front",
        "session": 1_700_000_000_000,
        "seq": 7,
        "pts_ns": 233_333_333,
        "captured_at_ns": 1_700_000_000_233_333_333,
        "published_at_ns": 1_700_000_000_250_000_000,
        "width": 640,
        "height": 360,
        "model": "street",
        "detections": [{"class_id": 39, "label": "bottle", "score": 0.93, "box": [286.0, 109.0, 343.0, 315.0]}],
        "v": 1,
    }


def test_a_state_and_a_cause_are_keys_of_their_own_and_absent_where_there_is_none():
    plain = {"camera": "front", "session": 1, "kind": "online", "at_ns": 5, "reason": "", "v": 1}
    assert json.loads(wire.encode(EVENT)) == plain
    told = {"kind": "offline", "reason": "no frame for 2.5 s", "state": "stalled", "cause": "stalled"}
    assert json.loads(wire.encode(STALLED)) == plain | told


def test_the_header_of_video_as_json():
    assert json.loads(wire.encode(HEADER)) == {
        "camera": "front", "session": 1, "seq": 0, "pts_ns": 0, "captured_at_ns": 5, "width": 640, "height": 360,
        "keyframe": True, "unit": 0, "codec": "h264", "v": 1,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["json", "msgpack"])
@pytest.mark.parametrize("message", ALL)
def test_what_is_written_can_be_read(message, form):
    assert wire.decode(wire.encode(message, form), type(message)) == message


@pytest.mark.parametrize("message", ALL)
def test_a_message_of_one_line_has_no_line_break(message):
    assert b"\n" not in wire.encode(message)


def test_a_topic_ends_in_a_slash_so_that_no_camera_is_a_prefix_of_another():
    assert wire.topic("det", "front") == b"det/front/"
    assert not wire.topic("det", "front-2").startswith(wire.topic("det", "front"))
    assert wire.topic("h264") == b"h264/"


def test_keys_that_are_not_known_are_ignored():
    data = json.loads(wire.encode(EVENT)) | {"later": {"a": [1]}}
    assert wire.decode(json.dumps(data).encode(), wire.Event) == EVENT


def test_a_header_without_a_number_of_its_unit_is_read():
    data = json.loads(wire.encode(HEADER))
    del data["unit"]
    assert wire.decode(json.dumps(data).encode(), wire.VideoHeader) == HEADER


def test_another_version_is_refused_by_name():
    data = json.loads(wire.encode(EVENT)) | {"v": 2}
    with pytest.raises(ClientError, match=r"version 1 Event.*`\$\.v`"):
        wire.decode(json.dumps(data).encode(), wire.Event)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"{}", b"null", b"\xff\xfe", b'{"v":1}', b"[" * 99_999, b'{"x":' * 99_999, b"\x91" * 99_999]
)
@pytest.mark.parametrize("kind", [wire.Detections, wire.Event, wire.VideoHeader])
def test_garbage_is_a_client_error(data, kind):
    with pytest.raises(ClientError, match="check that the endpoint is a streamd publisher"):
        wire.decode(data, kind)


@given(st.binary(max_size=60))
def test_no_bytes_at_all_escape_as_another_error(data):
    with contextlib.suppress(ClientError):
        wire.decode(data, wire.Event)


@pytest.mark.parametrize("kind", ["detections", "event", "video"])
def test_the_schema_names_every_key(kind):
    schema = wire.schema(kind)
    name = schema["$ref"].rpartition("/")[2]
    assert set(schema["$defs"][name]["properties"]) == set(wire.MESSAGES[kind].__struct_fields__)
