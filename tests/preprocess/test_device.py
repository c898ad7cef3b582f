"""All three modes make the reference's input, and leave no trace of the picture before."""

import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.frames import Colour, Picture, Surface
from streamd.gpu.timeline import Timeline
from streamd.manifest import Input
from streamd.preprocess import DevicePreprocess, HostFill, HybridFill
from streamd.preprocess.reference import preprocess
from tests.gpu.host_gpu import HostEvent
from tests.gpu.host_surface import HostPlanes

SLOTS, ROWS = 3, 4


def picture(rng, width, height):
    halved = (-(-height // 2), -(-width // 2))
    planes = [rng.integers(0, 256, shape, np.uint8) for shape in ((height, width), halved, halved)]
    return Picture(*planes, Colour("bt709"))


def surface(picture, ready=None):
    """The same picture as NV12, and what owns it."""
    luma, chroma = picture.y.copy(), np.stack((picture.u, picture.v), axis=-1).copy()
    pointers = (luma.ctypes.data, luma.shape[1], picture.width, picture.height, chroma.ctypes.data, chroma.strides[0])
    return Surface(*pointers, colour=picture.colour, owner=(luma, chroma), ready=ready)


def spec(**more):
    return Input("images", width=40, height=24, **more)


@pytest.fixture
def device(host_gpu):
    """Makes a device preprocess and its slots' inputs."""

    def make(kind=DevicePreprocess, image=None):
        image = image or spec()
        inputs = [np.full((ROWS, image.channels, 24, 40), 77, image.dtype) for _ in range(SLOTS)]
        return kind(host_gpu, Timeline(host_gpu, SLOTS), image, inputs), inputs

    return make


def assert_near(got, want, steps):
    """Within `steps` of 255 values of a pixel."""
    np.testing.assert_allclose(got.astype(np.float32), want.astype(np.float32), atol=steps / 255 + 2**-10)


@pytest.mark.parametrize("image", [spec(), spec(dtype="float16", colour="bgr"), spec(colour="gray", mean=(0.4,))])
def test_pictures_of_any_size_on_either_side_fill_a_slot(device, image):
    rng = np.random.default_rng(0)
    fill, inputs = device(image=image)
    pictures = [picture(rng, *size) for size in ((61, 33), (40, 24), (7, 90))]
    mixed = [pictures[0], surface(pictures[1]), pictures[2]]
    places = fill(mixed, 1)
    for row, (one, place) in enumerate(zip(pictures, places, strict=True)):
        want, where = preprocess(one, image)
        assert place == where
        assert_near(inputs[1][row], want, 0.1)
    assert (inputs[1][3] == 77).all() and (inputs[0] == 77).all()


def test_memory_for_uploads_grows_and_is_used_again(device):
    rng = np.random.default_rng(1)
    fill, inputs = device()
    for size in ((20, 20), (99, 77), (21, 13)):
        one = picture(rng, *size)
        fill([one], 0)
        assert_near(inputs[0][0], preprocess(one, spec())[0], 0.1)


def test_the_stream_waits_for_each_surface_once(device, monkeypatch):
    waited = []
    monkeypatch.setattr("tests.gpu.host_gpu.HostStream.wait_event", lambda _, event: waited.append(event))
    fill, _ = device()
    one, events = picture(np.random.default_rng(2), 8, 8), [HostEvent(), HostEvent()]
    fill([surface(one, events[0]), surface(one, events[1]), surface(one, events[0]), surface(one)], 0)
    assert waited == events


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_hybrid_is_the_same_but_for_the_rounding_of_bytes(device, colour):
    rng = np.random.default_rng(3)
    image = spec(dtype="float16", colour=colour, mean=(0.4, 0.5, 0.6), std=(0.5, 0.5, 1.0))
    fill, inputs = device(HybridFill, image)
    smooth = [picture(rng, 40, 24), picture(rng, 80, 48)]
    places = fill(smooth, 2)
    for row, one in enumerate(smooth):
        want, where = preprocess(one, image)
        assert places[row] == where
        assert_near(inputs[2][row], want, 5)


def test_host_fills_the_rows_it_is_given():
    rows = np.zeros((2, 3, 24, 40), np.float32)
    one = picture(np.random.default_rng(4), 40, 24)
    (place,) = HostFill(spec(), lambda slot: rows[slot:])([one], 1)
    want, where = preprocess(one, spec())
    assert place == where and not rows[0].any()
    assert_near(rows[1], want, 2)


@pytest.mark.parametrize(
    ("kind", "image", "mode"),
    [
        (DevicePreprocess, spec(dtype="uint8"), "device"),
        (HybridFill, spec(dtype="uint8"), "hybrid"),
        (HybridFill, spec(colour="gray"), "hybrid"),
    ],
)
def test_an_input_that_no_kernel_writes_is_refused(device, kind, image, mode):
    with pytest.raises(ModelError, match=f"preprocess: {mode} does not make .* inputs; set preprocess: host"):
        device(kind, image)


@pytest.mark.parametrize("kind", [DevicePreprocess, HybridFill])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_its_kernel_is_compiled_before_the_first_picture_comes(device, host_gpu, monkeypatch, kind, dtype):
    got, get = [], host_gpu.kernels.get
    monkeypatch.setattr(host_gpu.kernels, "get", lambda *names: got.append(names) or get(*names))
    fill, _ = device(kind, spec(dtype=dtype))
    before = set(got)
    assert len(before) == 1
    fill([picture(np.random.default_rng(7), 40, 24)], 0)
    assert set(got) == before


def test_a_surface_never_reaches_the_host(device):
    with pytest.raises(TypeError, match="on the GPU came to preprocessing on the host"):
        HostFill(spec(), lambda _: np.zeros((1, 3, 24, 40), np.float32))(
            [surface(picture(np.random.default_rng(5), 8, 8))], 0
        )


def test_a_surface_that_is_still_being_decoded_is_waited_for(late_gpu):
    rng = np.random.default_rng(6)
    inputs = [np.zeros((ROWS, 3, 24, 40), np.float32) for _ in range(SLOTS)]
    timeline = Timeline(late_gpu, SLOTS)
    fill = DevicePreprocess(late_gpu, timeline, spec(), inputs)
    pictures, held = [picture(rng, 61, 33) for _ in range(SLOTS)], []
    for slot, one in enumerate(pictures):
        planes = HostPlanes(one.y, np.stack((one.u, one.v), axis=-1), colour=one.colour, ready=late_gpu.decoded)
        held.append(late_gpu.decode(planes))
        fill([held[-1], one], slot)
    for slot, one in enumerate(pictures):
        assert not inputs[slot].any()
        for step in (timeline.running, timeline.reading):
            with step(slot):
                pass
        timeline.wait(slot)
        for row in (0, 1):
            assert_near(inputs[slot][row], preprocess(one, spec())[0], 0.1)
