"""The sum of `nv12_letterbox` as others do it, for measure.py: three kernels, torch, torchvision, one core."""

import importlib
import time

import cupy
import cv2
import numpy as np

from streamd.manifest import Input
from streamd.preprocess import HostPreprocess

BATCH, WIDTH, HEIGHT, SETS = 16, 1920, 1080, 6
SPEC = Input("images", 640, 640, dtype="float16")

# What a first version does: the whole frame to RGB, the RGB resized, the small picture normalized and transposed.
NAIVE = r"""
extern "C" __global__ void to_rgb(const unsigned char* y, const unsigned char* uv, unsigned char* rgb, int w, int h,
                                  const float* m) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y, b = blockIdx.z;
    if (x >= w) return;
    float l = y[((size_t)b * h + row) * w + x];
    const unsigned char* c = uv + ((size_t)b * (h / 2) + row / 2) * w + (x & ~1);
    for (int k = 0; k < 3; ++k) {
        float v = m[4 * k] * l + m[4 * k + 1] * c[0] + m[4 * k + 2] * c[1] + m[4 * k + 3];
        rgb[(((size_t)b * h + row) * w + x) * 3 + k] = (unsigned char)(fminf(fmaxf(v, 0.f), 255.f) + .5f);
    }
}
extern "C" __global__ void resize(const unsigned char* rgb, unsigned char* out, int w, int h, int ow, int oh, int nh,
                                  int top) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y, b = blockIdx.z;
    if (x >= ow) return;
    unsigned char* to = out + (((size_t)b * oh + y) * ow + x) * 3;
    if (y < top || y >= top + nh) { to[0] = to[1] = to[2] = 114; return; }
    float sx = (x + .5f) * w / ow - .5f, sy = (y - top + .5f) * h / nh - .5f;
    int x0 = (int)floorf(sx), y0 = (int)floorf(sy), x1 = min(x0 + 1, w - 1), y1 = min(y0 + 1, h - 1);
    float fx = sx - x0, fy = sy - y0;
    x0 = max(x0, 0); y0 = max(y0, 0);
    const unsigned char* p = rgb + (size_t)b * h * w * 3;
    for (int k = 0; k < 3; ++k) {
        float a = p[((size_t)y0 * w + x0) * 3 + k] * (1 - fx) + p[((size_t)y0 * w + x1) * 3 + k] * fx;
        float c = p[((size_t)y1 * w + x0) * 3 + k] * (1 - fx) + p[((size_t)y1 * w + x1) * 3 + k] * fx;
        to[k] = (unsigned char)(a * (1 - fy) + c * fy + .5f);
    }
}
extern "C" __global__ void normalize(const unsigned char* rgb, unsigned short* out, int plane) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y, b = blockIdx.z;
    if (i >= plane) return;
    float v = rgb[((size_t)b * plane + i) * 3 + k] / 255.0f;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out[((size_t)b * 3 + k) * plane + i]) : "f"(v));
}
"""


def naive(sets, weights, place):
    """Launches of the three kernels, one a set."""
    module = cupy.RawModule(code=NAIVE, backend="nvrtc")
    to_rgb, resize, normalize = (module.get_function(name) for name in ("to_rgb", "resize", "normalize"))
    matrix = cupy.asarray(weights, cupy.float32)
    rgb = cupy.empty((BATCH, HEIGHT, WIDTH, 3), cupy.uint8)
    small = cupy.empty((BATCH, SPEC.height, SPEC.width, 3), cupy.uint8)
    i32, plane = np.int32, SPEC.width * SPEC.height

    def run(s):
        to_rgb((-(-WIDTH // 256), HEIGHT, BATCH), (256,), (s[0], s[1], rgb, i32(WIDTH), i32(HEIGHT), matrix))
        size = (i32(WIDTH), i32(HEIGHT), i32(SPEC.width), i32(SPEC.height), i32(place.new_height), i32(place.top))
        resize((-(-SPEC.width // 256), SPEC.height, BATCH), (256,), (rgb, small, *size))
        normalize((-(-plane // 256), 3, BATCH), (256,), (small, s[3], i32(plane)))

    return [lambda s=s: run(s) for s in sets]


def torch_seconds(sets, weights, place):
    """The planes resized first, so that colour is made of the small picture alone."""
    torch = importlib.import_module("torch")
    matrix = torch.tensor(np.array(weights), dtype=torch.float32, device="cuda")
    size = (place.new_height, place.new_width)
    out = torch.empty((BATCH, 3, SPEC.height, SPEC.width), dtype=torch.float16, device="cuda")

    def run(luma, chroma):
        y = torch.nn.functional.interpolate(luma[:, None].float(), size, mode="bilinear")
        uv = chroma.view(BATCH, HEIGHT // 2, WIDTH // 2, 2).permute(0, 3, 1, 2).float()
        planes = torch.cat((y, torch.nn.functional.interpolate(uv, size, mode="bilinear")), 1)
        pixels = torch.einsum("kc,bchw->bkhw", matrix[:, :3], planes) + matrix[:, 3].view(1, 3, 1, 1)
        out.fill_(SPEC.pad / 255)
        out[:, :, place.top : place.top + size[0]] = (pixels.clamp(0, 255) / 255).half()

    return timed(torch, run, pairs(torch, sets))


def torchvision_seconds(sets, weights, place, *, from_rgb=False):
    """torchvision.transforms.v2, which knows RGB alone: torch makes it of the planes, beforehand with `from_rgb`."""
    torch = importlib.import_module("torch")
    matrix = torch.tensor(np.array(weights), dtype=torch.float32, device="cuda")
    given = pairs(torch, sets)
    if from_rgb:
        given = [(rgb(torch, *pair, matrix),) for pair in given]

    def run(*planes):
        return letterboxed(torch, planes[0] if from_rgb else rgb(torch, *planes, matrix), place)

    made = run(*given[0])
    assert (made.shape, made.dtype) == ((BATCH, 3, SPEC.height, SPEC.width), torch.float16)
    return timed(torch, run, given)


def letterboxed(torch, pictures, place):
    """Letterbox RGB (N, 3, H, W) uint8; SPEC subtracts no mean, so scaling to 0..1 is all of the normalisation."""
    v2 = importlib.import_module("torchvision.transforms.v2.functional")
    right, bottom = SPEC.width - place.left - place.new_width, SPEC.height - place.top - place.new_height
    small = v2.resize(pictures, [place.new_height, place.new_width], antialias=False)
    padded = v2.pad(small, [place.left, place.top, right, bottom], fill=SPEC.pad)
    return v2.to_dtype(padded, torch.float16, scale=True)


def rgb(torch, luma, chroma, matrix):
    """RGB (N, 3, H, W) uint8 of whole frames."""
    count, height, width = luma.shape
    uv = chroma.view(count, height // 2, width // 2, 2).permute(0, 3, 1, 2).float()
    uv = torch.nn.functional.interpolate(uv, (height, width), mode="nearest")
    planes = torch.cat((luma[:, None].float(), uv), 1)
    pixels = torch.einsum("kc,bchw->bkhw", matrix[:, :3], planes) + matrix[:, 3].view(1, 3, 1, 1)
    return pixels.clamp(0, 255).round().to(torch.uint8)


def pairs(torch, sets):
    return [(torch.from_dlpack(s[0]), torch.from_dlpack(s[1])) for s in sets]


def timed(torch, run, given):
    """Seconds of one `run`, a median; inputs rotate."""
    times = []
    for i in range(30):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run(*given[i % SETS])
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return float(np.median(times[5:]))


def host_frames(picture):
    cv2.setNumThreads(1)
    host, row = HostPreprocess(SPEC), np.empty((3, SPEC.height, SPEC.width), np.float16)
    times = []
    for _ in range(40):
        begin = time.perf_counter()
        host(picture, row)
        times.append(time.perf_counter() - begin)
    return 1 / float(np.median(times))
