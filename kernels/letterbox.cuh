// Where a source picture lands in a model's input, and which samples make an input pixel: the definition is
// streamd/preprocess/reference.py. Shared by nv12_letterbox.cu and bgr_letterbox.cu.

#pragma once

#include "numbers.cuh"

// One frame of a batch. The layout is SURFACE's in streamd/gpu/layouts.py, filled by surface.py.
struct Surface {
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
    int sample_bytes;             // 1: NV12; 2: P010, whose weights count in 1/256
    int unused;
    float weights[3][4];          // a row a channel of the tensor, over (Y, U, V, 1) or (B, G, R, 1)
};

// (p * scale - mean) / std as p * scale + shift, a channel.
struct Scale {
    float scale[3];
    float shift[3];
};

// The two samples that make one pixel along an axis, and the weight of the second.
struct Tap {
    int first;
    int second;
    float weight;
};

// Walks the taps of neighbouring pixels in whole numbers: position = ((2k + 1) size - new_size) / (2 new_size).
// Exact, since a float cannot hold the position of a pixel of a wide picture well enough for its weight.
class Walk {
  public:
    __device__ Walk(int pixel, int size, int new_size) : size_(size), whole_(2u * new_size) {
        // One `whole_` is added, so that nothing is negative, and taken off again.
        unsigned long long at = (2ull * pixel + 1) * size + new_size;
        low_ = (int)(at / whole_) - 1;
        rest_ = (unsigned)(at % whole_);
        unsigned step = 2u * size;
        step_low_ = (int)(step / whole_);
        step_rest_ = step % whole_;
        share_ = 1.0f / (float)whole_;
    }

    __device__ Tap tap() const {
        Tap tap;
        tap.weight = (float)rest_ * share_;
        tap.first = max(low_, 0);
        // A sample without weight is not read: at 3 to 1 that spares half of the rows.
        tap.second = rest_ == 0 ? tap.first : min(low_ + 1, size_ - 1);
        return tap;
    }

    __device__ void next() {
        low_ += step_low_;
        rest_ += step_rest_;
        if (rest_ >= whole_) {
            rest_ -= whole_;
            ++low_;
        }
    }

  private:
    int size_;
    unsigned whole_;
    int low_;
    unsigned rest_;
    int step_low_;
    unsigned step_rest_;
    float share_;
};

__device__ inline float mix(float first, float second, float weight) { return fmaf(weight, second - first, first); }

// One plane of samples, or one part of a packed picture: sample i of a row stands at i * STEP.
template <typename Sample, int STEP>
__device__ inline float bilinear(const Sample* upper, const Sample* lower, const Tap& x, float down) {
    unsigned first = x.first * STEP, second = x.second * STEP;  // unsigned: an offset from a row's address
    float above = mix(as_float(__ldg(upper + first)), as_float(__ldg(upper + second)), x.weight);
    float below = mix(as_float(__ldg(lower + first)), as_float(__ldg(lower + second)), x.weight);
    return mix(above, below, down);
}

const int ROWS = 8;  // of the input, made by one thread

// Fills column blockIdx.x * blockDim.x + threadIdx.x of rows blockIdx.y * ROWS and on. A warp reads neighbouring
// samples and writes neighbouring values, and all of a block are on the same row: what a row needs is worked out once.
//
// source.begin(column, row)   before the first pixel that shows the picture, named in pixels of the resized picture
// source.read(parts)          makes the three components of a pixel, and steps to the row below
template <typename Out, typename Source>
__device__ inline void letterbox(
    const Surface& frame, Out* out, int channels, int height, int width, float pad, const Scale& sum, Source source) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * ROWS;
    if (x >= width) return;
    int column = x - frame.left;
    bool beside = column < 0 || column >= frame.new_width;
    if (!beside) source.begin(column, max(y - frame.top, 0));

    size_t plane = (size_t)height * width;
    Out* to = out + (size_t)blockIdx.z * channels * plane + (size_t)y * width + x;
    int end = min(y + ROWS, height);
    for (; y < end; ++y, to += width) {
        int row = y - frame.top;
        bool shown = !beside && row >= 0 && row < frame.new_height;
        float parts[3] = {0.0f, 0.0f, 0.0f};
        if (shown) source.read(parts);
#pragma unroll
        for (int channel = 0; channel < 3; ++channel) {
            if (channel >= channels) break;
            const float* weight = frame.weights[channel];
            float pixel = fmaf(weight[0], parts[0], fmaf(weight[1], parts[1], fmaf(weight[2], parts[2], weight[3])));
            pixel = shown ? within(pixel, 0.0f, 255.0f) : pad;
            store(to + channel * plane, fmaf(pixel, sum.scale[channel], sum.shift[channel]));
        }
    }
}
