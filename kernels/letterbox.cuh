// Where a source picture lands in a model's input, and which samples make an input pixel: the definition is
// streamd/preprocess/reference.py. Shared by nv12_letterbox.cu and bgr_letterbox.cu.

#pragma once

#include "numbers.cuh"

// One frame of a batch. The layout is SURFACE's in streamd/gpu/layouts.py, filled by surface.py.
struct alignas(16) Surface {
    const unsigned char* pixels;  // the Y plane, or packed B, G, R
    const unsigned char* chroma;  // U, V interleaved, one pair for 2 x 2 pixels; not read for packed pictures
    int pitch;                    // bytes from row to row
    int chroma_pitch;
    int width;                    // of the source, in pixels; odd sizes are allowed
    int height;
    int new_width;                // of the source as resized
    int new_height;
    int left;                     // where it stands in the input; negative for a crop
    int top;
    int sample_bytes;             // 1: NV12; 2: P010
    float share_across;           // 1 / (2 new_width)
    float share_down;             // 1 / (2 new_height)
    int whole;                    // 1: its sides are odd multiples of the new ones: a luma sample stands on each pixel
    float weights[3][4];          // a row a channel of the tensor, over (Y, U, V, 1) or (B, G, R, 1); makes 0..1
};

// p * scale + shift of a pixel 0..1, a channel.
struct Scale {
    float scale[3];
    float shift[3];
};

// The two samples that make one pixel along an axis, and the weight of the second.
struct alignas(16) Tap {
    int first;
    int second;
    float weight;
};

// The tap of `pixel` of `new_size` among `size` samples, at ((2 pixel + 1) size - new_size) / (2 new_size). A float
// cannot hold that position well enough for its weight, so it only guesses the whole part, right or one short, and
// whole numbers do the rest; what overflows in them cancels.
__device__ inline Tap tap_of(int pixel, int size, int new_size, float share) {
    unsigned odd = 2u * pixel + 1u, whole = 2u * new_size;
    int low = (int)fmaf((float)(int)odd * (float)size, share, 0.4375f) - 1;
    unsigned rest = odd * size - new_size - low * whole;
    if (rest >= whole) {
        rest -= whole;
        ++low;
    }
    Tap tap;
    tap.first = max(low, 0);
    // A sample without weight is not read: at 3 to 1 that spares half of the rows, and at an edge keeps inside.
    bool two = rest != 0 && low >= 0 && low < size - 1;
    tap.second = two ? low + 1 : tap.first;
    tap.weight = two ? (float)(int)rest * share : 0.0f;
    return tap;
}

__device__ inline float mix(float first, float second, float weight) { return fmaf(weight, second - first, first); }

// Of two whole numbers that RAISED was put on.
__device__ inline float mix_raised(float first, float second, float weight) {
    return fmaf(weight, second - first, first - RAISE);
}

// The four samples of a pixel, in the order of `read_four`, each with RAISED put on.
__device__ inline float bilinear(const float* four, float across, float down) {
    return mix(mix_raised(four[0], four[1], across), mix_raised(four[2], four[3], across), down);
}

// Reads the samples around a pixel, those to the right only if there are `two` in a row; STEP is from one to the next.
template <int STEP, typename Sample>
__device__ inline void read_four(const Sample* upper, const Sample* lower, bool two, unsigned* four) {
    four[0] = __ldg(upper);
    four[1] = load_if(two, upper + STEP);
    four[2] = __ldg(lower);
    four[3] = load_if(two, lower + STEP);
}

const int WIDE = 128;  // columns of a block's tile, one a thread
const int HIGH = 8;    // rows of it

// Writes the pad to a tile.
template <int CHANNELS, typename Out>
__device__ inline void fill(Out* out, int height, int width, int x0, int y0, float pad, const Scale& sum) {
    const int COLUMNS = 4, ACROSS = WIDE / COLUMNS;
    int x = x0 + threadIdx.x % ACROSS * COLUMNS, end = min(y0 + HIGH, height);
    if (x >= width) return;
#pragma unroll
    for (int channel = 0; channel < CHANNELS; ++channel) {
        float value = fmaf(pad, sum.scale[channel], sum.shift[channel]);
        float values[COLUMNS] = {value, value, value, value};
        for (int y = y0 + threadIdx.x / ACROSS; y < end; y += blockDim.x / ACROSS)
            store_row(out + ((size_t)channel * height + y) * width, x, width, values);
    }
}

// Makes the tile at (blockIdx.x, blockIdx.y) of picture blockIdx.z, a column a thread. A warp reads neighbouring
// samples and writes neighbouring values; where a row's samples stand is worked out once a block.
//
// Source(frame, column)         the column of the resized picture that the thread makes
// source.read(row, taps, i)     asks for the samples of a row into place `i`; `taps` has one a plane, at [plane][row]
// source.parts(row, taps, i, parts)   what was read, as the three components of a pixel
// Source::CHANNELS, PLANES      of the tensor, of the picture; Source::height(frame, plane) is in samples
// Source::AT_ONCE               rows whose samples a thread asks for before it uses the first
template <typename Out, typename Source>
__device__ inline void letterbox(const Surface& frame, Out* out, int height, int width, float pad, const Scale& sum) {
    const int CHANNELS = Source::CHANNELS, PLANES = Source::PLANES, AT_ONCE = Source::AT_ONCE;
    __shared__ Tap taps[PLANES][HIGH];
    int x0 = blockIdx.x * WIDE, y0 = blockIdx.y * HIGH;
    int column0 = x0 - frame.left, row0 = y0 - frame.top;
    size_t plane = (size_t)height * width;
    out += blockIdx.z * CHANNELS * plane;
    if (column0 + WIDE <= 0 || column0 >= frame.new_width || row0 + HIGH <= 0 || row0 >= frame.new_height) {
        fill<CHANNELS>(out, height, width, x0, y0, pad, sum);
        return;
    }
    if (threadIdx.x < PLANES * HIGH) {
        int part = threadIdx.x / HIGH, row = threadIdx.x % HIGH;
        int shown = min(max(row0 + row, 0), frame.new_height - 1);
        taps[part][row] = tap_of(shown, Source::height(frame, part), frame.new_height, frame.share_down);
    }
    int column = column0 + threadIdx.x;
    int rows = column >= 0 && column < frame.new_width ? frame.new_height : 0;  // that are not pad
    Source source(frame, min(max(column, 0), frame.new_width - 1));
    __syncthreads();
    int x = x0 + threadIdx.x;
    if (x >= width) return;

    Out* to = out + ((size_t)y0 * width + x);
#pragma unroll 1
    for (int start = 0; start < HIGH; start += AT_ONCE) {
#pragma unroll
        for (int i = 0; i < AT_ONCE; ++i) source.read(start + i, taps, i);
        float values[CHANNELS][AT_ONCE];
#pragma unroll
        for (int i = 0; i < AT_ONCE; ++i) {
            int row = start + i;
            bool shown = (unsigned)(row0 + row) < (unsigned)rows;
            float parts[3];
            source.parts(row, taps, i, parts);
#pragma unroll
            for (int channel = 0; channel < CHANNELS; ++channel) {
                const float* weight = frame.weights[channel];
                float pixel = __saturatef(
                    fmaf(weight[0], parts[0], fmaf(weight[1], parts[1], fmaf(weight[2], parts[2], weight[3]))));
                values[channel][i] = fmaf(shown ? pixel : pad, sum.scale[channel], sum.shift[channel]);
            }
        }
#pragma unroll
        for (int channel = 0; channel < CHANNELS; ++channel) {
            Out* at = to + channel * plane;
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i, at += width)
                if (y0 + start + i < height) store(at, values[channel][i]);
        }
        to += AT_ONCE * width;
    }
}
