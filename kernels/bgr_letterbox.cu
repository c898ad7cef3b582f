// Makes a batch of model inputs from packed BGR pictures in one launch: bilinear letterbox, stretch or crop, channel
// order, scale, mean and std, N,C,H,W. The sum is streamd/preprocess/bgr.py's.
//
// Arguments
//   surfaces    (N) Surface: pixels are rows of B, G, R bytes; weights pick and order the channels
//   out         (N, channels, height, width) float or half; every value is written
//   channels    1 or 3
//   pad         0..255, the pixel around the picture
//   scale0..2, shift0..2   p * scale + shift, a channel
// Launch: block 128, grid (ceil(width / 128), ceil(height / 8), N). A thread makes eight pixels of a column.

#include "letterbox.cuh"

class Packed {
  public:
    __device__ explicit Packed(const Surface& frame) : frame_(frame), down_(0, 1, 1) {}

    __device__ void begin(int column, int row) {
        across_ = Walk(column, frame_.width, frame_.new_width).tap();
        down_ = Walk(row, frame_.height, frame_.new_height);
    }

    __device__ void read(float* parts) {
        Tap y = down_.tap();
        down_.next();
        const unsigned char* upper = frame_.pixels + (size_t)y.first * frame_.pitch;
        const unsigned char* lower = frame_.pixels + (size_t)y.second * frame_.pitch;
#pragma unroll
        for (int k = 0; k < 3; ++k) parts[k] = bilinear<unsigned char, 3>(upper + k, lower + k, across_, y.weight);
    }

  private:
    const Surface& frame_;
    Tap across_;
    Walk down_;
};

template <typename Out>
__device__ inline void bgr_letterbox(
    const Surface* surfaces, Out* out, int channels, int height, int width, float pad, const Scale& sum) {
    const Surface frame = surfaces[blockIdx.z];
    letterbox(frame, out, channels, height, width, pad, sum, Packed(frame));
}

extern "C" __global__ void bgr_letterbox_f32(
    const Surface* surfaces, float* out, int channels, int height, int width, float pad, float scale0, float scale1,
    float scale2, float shift0, float shift1, float shift2) {
    bgr_letterbox(surfaces, out, channels, height, width, pad, {{scale0, scale1, scale2}, {shift0, shift1, shift2}});
}

extern "C" __global__ void bgr_letterbox_f16(
    const Surface* surfaces, Half* out, int channels, int height, int width, float pad, float scale0, float scale1,
    float scale2, float shift0, float shift1, float shift2) {
    bgr_letterbox(surfaces, out, channels, height, width, pad, {{scale0, scale1, scale2}, {shift0, shift1, shift2}});
}
