import numpy as np
import pytest

from streamd.frames import Colour, Picture, Surface
from streamd.gpu import ops
from streamd.gpu.layouts import SURFACE
from streamd.gpu.surface import surface_table
from streamd.letterbox import Letterbox
from streamd.manifest import Input
from streamd.preprocess import bgr
from streamd.preprocess.reference import colour_rows, normalization, preprocess

CASES = 200


def side(rng, most):
    """A side in pixels: any, and now and then a tiny one."""
    return int(rng.integers(1, 5 if rng.random() < 0.15 else most))


def random_spec(rng, **fixed):
    colour = fixed.pop("colour", rng.choice(["rgb", "bgr", "gray"]))
    channels = 1 if colour == "gray" else 3
    return Input(
        "images",
        width=side(rng, 90),
        height=side(rng, 70),
        dtype=str(rng.choice(["float32", "float16"])),
        colour=str(colour),
        scale=float(rng.choice([1 / 255, 1.0])),
        mean=tuple(rng.choice([[0.0] * 3, [0.485, 0.456, 0.406]])[:channels].tolist()),
        std=tuple(rng.choice([[1.0] * 3, [0.229, 0.224, 0.225]])[:channels].tolist()),
        fit=str(rng.choice(["letterbox", "stretch", "crop"])),
        anchor=str(rng.choice(["center", "top-left"])),
        pad=int(rng.integers(256)),
    )


def pitched(rng, rows, row_bytes, step):
    """Noise (rows, pitch): rows of `row_bytes` with something behind them, a multiple of `step`."""
    return rng.integers(0, 256, (rows, row_bytes + step * int(rng.integers(0, 9))), np.uint8)


def scaling_of(spec):
    return ops.Scaling.of(spec.pad, *(values.tolist() for values in normalization(spec)))


def assert_same(got, want, spec):
    """Equal but for float32's rounding, as a part of the range of values; a half may be its neighbour."""
    scale, _ = normalization(spec)
    reach = np.abs(scale).max() * 255
    largest = max(np.abs(want.astype(np.float64)).max(), reach)
    spare = reach * 1e-5 if spec.dtype == "float32" else reach * 1e-5 + largest * 2**-10
    np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=0, atol=spare)


class Nv12:
    """A random NV12 or P010 frame: where it lies on the device, and the picture it is."""

    def __init__(self, rng, rig, size=None, sample_bytes=None):
        self.width, self.height = size or (side(rng, 150), side(rng, 120))
        self.sample_bytes = sample_bytes or int(rng.choice([1, 2]))
        columns, rows = (self.width + 1) // 2, (self.height + 1) // 2
        self.colour = Colour(str(rng.choice(["bt601", "bt709"])), bool(rng.integers(2)))
        y = pitched(rng, self.height, self.width * self.sample_bytes, self.sample_bytes)
        uv = pitched(rng, rows, 2 * columns * self.sample_bytes, 2 * self.sample_bytes)
        self.pitches = (y.shape[1], uv.shape[1])
        self.memory = [rig.up(y), rig.up(uv)]
        sample = np.uint8 if self.sample_bytes == 1 else np.uint16
        unit = 1 if self.sample_bytes == 1 else 256  # a sample of P010 has its bits at the top of 16
        luma = y.view(sample)[:, : self.width] / unit
        pairs = uv.view(sample)[:, : 2 * columns].reshape(rows, columns, 2) / unit
        self.picture = Picture(luma, pairs[..., 0], pairs[..., 1], self.colour)

    def surface(self, rig):
        pixels, chroma = map(rig.address, self.memory)
        return Surface(pixels, self.pitches[0], self.width, self.height, chroma, self.pitches[1], self.sample_bytes)


def table_of(rig, spec, surfaces, weights):
    places = [Letterbox.place(s.width, s.height, spec.width, spec.height, spec.fit, spec.anchor) for s in surfaces]
    return rig.up(surface_table(surfaces, places, weights))


@pytest.mark.parametrize("seed", range(10))
def test_nv12_and_p010_of_any_size_become_what_the_reference_makes(rig, guarded, seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES // 10):
        spec = random_spec(rng)
        frames = [Nv12(rng, rig) for _ in range(rng.integers(1, 4))]
        weights = [colour_rows(spec, frame.colour) for frame in frames]
        table = table_of(rig, spec, [frame.surface(rig) for frame in frames], weights)
        out = guarded((len(frames), spec.channels, spec.height, spec.width), spec.dtype)
        ops.nv12_letterbox(rig.kernels, table, len(frames), out, scaling_of(spec), rig.stream)
        for got, frame in zip(rig.down(out), frames, strict=True):
            assert_same(got, preprocess(frame.picture, spec)[0], spec)


def test_a_row_without_a_surface_is_left_as_it_is(rig, guarded):
    rng = np.random.default_rng(0)
    spec = random_spec(rng)
    frame = Nv12(rng, rig)
    surfaces, weights = [frame.surface(rig)] * 3, [colour_rows(spec, frame.colour)] * 3
    rows = rig.down(table_of(rig, spec, surfaces, weights)).view(SURFACE)
    rows["pixels"][[0, 2]] = 0
    out = guarded((3, spec.channels, spec.height, spec.width), spec.dtype)
    before = rig.down(out)
    ops.nv12_letterbox(rig.kernels, rig.up(rows.view(np.uint8)), 3, out, scaling_of(spec), rig.stream)
    after = rig.down(out)
    assert_same(after[1], preprocess(frame.picture, spec)[0], spec)
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("seed", range(10))
def test_packed_bgr_of_any_size_becomes_what_the_reference_makes(rig, guarded, seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES // 10):
        spec = random_spec(rng)
        surfaces, frames = [], []
        for _ in range(rng.integers(1, 4)):
            width, height = side(rng, 150), side(rng, 120)
            memory = pitched(rng, height, 3 * width, 1)
            on_device = rig.up(memory)
            surfaces.append(Surface(rig.address(on_device), memory.shape[1], width, height))
            frames.append((memory[:, : 3 * width].reshape(height, width, 3), on_device))
        out = guarded((len(frames), spec.channels, spec.height, spec.width), spec.dtype)
        table = table_of(rig, spec, surfaces, [bgr.channel_rows(spec)] * len(surfaces))
        ops.bgr_letterbox(rig.kernels, table, len(frames), out, scaling_of(spec), rig.stream)
        for got, (pixels, _) in zip(rig.down(out), frames, strict=True):
            assert_same(got, bgr.preprocess(pixels, spec)[0], spec)


@pytest.mark.parametrize("seed", range(10))
def test_pictures_of_the_right_size_are_scaled_and_turned_to_planes(rig, guarded, seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES // 10):
        spec = random_spec(rng, colour=str(rng.choice(["rgb", "bgr"])))
        pixels = rng.integers(0, 256, (int(rng.integers(1, 4)), spec.height, spec.width, 3), np.uint8)
        out = guarded((len(pixels), 3, spec.height, spec.width), spec.dtype)
        ops.bgr_normalize(
            rig.kernels, rig.up(pixels), out, scaling_of(spec), reverse=spec.colour == "rgb", stream=rig.stream
        )
        for got, picture in zip(rig.down(out), pixels, strict=True):
            assert_same(got, bgr.normalize(picture, spec), spec)


@pytest.mark.parametrize(("width", "height", "side"), [(96, 54, 32), (21, 35, 7), (33, 17, 33), (640, 9, 128)])
def test_a_picture_an_odd_number_of_times_as_large_becomes_what_the_reference_makes(rig, guarded, width, height, side):
    """Then a new pixel stands on a luma sample, and the kernel reads no other."""
    rng = np.random.default_rng(width)
    for dtype, fit in (("float32", "letterbox"), ("float16", "stretch"), ("float32", "crop")):
        spec = Input("images", side, side, dtype=dtype, fit=fit)
        frames = [Nv12(rng, rig, (width, height), sample_bytes) for sample_bytes in (1, 2)]
        weights = [colour_rows(spec, frame.colour) for frame in frames]
        table = table_of(rig, spec, [frame.surface(rig) for frame in frames], weights)
        for _ in rig.both_ways():
            out = guarded((2, 3, side, side), spec.dtype)
            ops.nv12_letterbox(rig.kernels, table, 2, out, scaling_of(spec), rig.stream)
            for got, frame in zip(rig.down(out), frames, strict=True):
                assert_same(got, preprocess(frame.picture, spec)[0], spec)


def test_a_crop_of_a_very_long_picture_keeps_its_place(rig, guarded):
    """Its resized size times its own does not fit 32 bits."""
    spec = Input("images", 64, 64, scale=1.0, colour="gray", fit="crop")
    rng = np.random.default_rng(3)
    memory = rng.integers(0, 256, (1, 15_000), np.uint8)
    chroma = np.full((1, 15_000), 128, np.uint8)
    luma, pairs = rig.up(memory), rig.up(chroma)
    colour = Colour()
    surface = Surface(rig.address(luma), 15_000, 15_000, 1, rig.address(pairs), 15_000)
    out = guarded((1, 1, 64, 64), np.float32)
    table = table_of(rig, spec, [surface], [colour_rows(spec, colour)])
    ops.nv12_letterbox(rig.kernels, table, 1, out, scaling_of(spec), rig.stream)
    picture = Picture(memory, chroma[:, :7500], chroma[:, :7500], colour)
    assert_same(rig.down(out)[0], preprocess(picture, spec)[0], spec)


def test_an_output_of_another_type_is_refused(host):
    out = np.zeros((1, 3, 4, 4), np.float64)
    with pytest.raises(ValueError, match=r"out: expected float32 or float16 .*got float64"):
        ops.nv12_letterbox(
            host.kernels, np.zeros(SURFACE.itemsize, np.uint8), 1, out, scaling_of(Input("i", 4, 4)), None
        )


def test_more_surfaces_than_rows_are_refused(host):
    out = np.zeros((1, 3, 4, 4), np.float32)
    with pytest.raises(ValueError, match="2 surfaces"):
        table = np.zeros(2 * SURFACE.itemsize, np.uint8)
        ops.nv12_letterbox(host.kernels, table, 2, out, scaling_of(Input("i", 4, 4)), None)


@pytest.mark.parametrize("odd", [{"pitch": 33}, {"chroma": 2}, {"chroma_pitch": 34}, {"pixels": 1}])
def test_a_p010_surface_between_samples_is_refused(odd):
    fits = {"pixels": 0, "pitch": 32, "width": 16, "height": 16, "chroma": 512, "chroma_pitch": 32, "sample_bytes": 2}
    Surface(**fits)
    with pytest.raises(ValueError, match="whole samples"):
        Surface(**fits | odd)
