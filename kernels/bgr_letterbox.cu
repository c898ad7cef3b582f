// Makes a batch of model inputs from packed BGR pictures in one launch: bilinear letterbox, stretch or crop, channel
// order, scale, mean and std, N,C,H,W. The sum is streamd/preprocess/bgr.py's.
//
// Arguments
//   surfaces    (N) Surface: pixels are rows of B, G, R bytes; weights pick and order the channels
//   out         (N, channels, height, width) float or half; every value is written
//   channels    1 or 3
//   pad         0..1, the pixel around the picture
//   scale0..2, shift0..2   p * scale + shift of a pixel 0..1, a channel
// Launch: block (128, 1), grid (ceil(width / 128), ceil(height / 8), N). A block makes 128 x 8 pixels, a thread
// a column of them.

#include "letterbox.cuh"

template <int CHANNELS_MADE>
class Packed {
  public:
    static const int CHANNELS = CHANNELS_MADE, PLANES = 1, AT_ONCE = 2;

    __device__ static int height(const Surface& frame, int) { return frame.height; }

    __device__ Packed(const Surface& frame, int column) : pitch_(frame.pitch) {
        Tap tap = tap_of(column, frame.width, frame.new_width, frame.share_across);
        left_ = frame.pixels + (size_t)tap.first * 3;
        two_ = tap.second != tap.first;
        weight_ = tap.weight;
    }

    __device__ void read(int row, const Tap (*taps)[HIGH], int i) {
        const unsigned char* upper = below(left_, taps[0][row].first, pitch_);
        const unsigned char* lower = below(left_, taps[0][row].second, pitch_);
#pragma unroll
        for (int part = 0; part < 3; ++part) read_four<3>(upper + part, lower + part, two_, bytes_[i][part]);
    }

    __device__ void parts(int row, const Tap (*taps)[HIGH], int i, float* parts) const {
#pragma unroll
        for (int part = 0; part < 3; ++part) {
            const unsigned* bytes = bytes_[i][part];
            float four[4] = {raised(bytes[0]), raised(bytes[1]), raised(bytes[2]), raised(bytes[3])};
            parts[part] = bilinear(four, weight_, taps[0][row].weight);
        }
    }

  private:
    unsigned pitch_;
    const unsigned char* left_;  // the first of the column's two pixels in row 0
    bool two_;
    float weight_;
    unsigned bytes_[AT_ONCE][3][4];
};

template <typename Out>
__device__ inline void bgr_letterbox(
    const Surface* surfaces, Out* out, int channels, int height, int width, float pad, const Scale& sum) {
    const Surface frame = surfaces[blockIdx.z];
    if (channels == 1)
        letterbox<Out, Packed<1>>(frame, out, height, width, pad, sum);
    else
        letterbox<Out, Packed<3>>(frame, out, height, width, pad, sum);
}

extern "C" __global__ void __launch_bounds__(128, 8) bgr_letterbox_f32(
    const Surface* surfaces, float* out, int channels, int height, int width, float pad, float scale0, float scale1,
    float scale2, float shift0, float shift1, float shift2) {
    bgr_letterbox(surfaces, out, channels, height, width, pad, {{scale0, scale1, scale2}, {shift0, shift1, shift2}});
}

extern "C" __global__ void __launch_bounds__(128, 8) bgr_letterbox_f16(
    const Surface* surfaces, Half* out, int channels, int height, int width, float pad, float scale0, float scale1,
    float scale2, float shift0, float shift1, float shift2) {
    bgr_letterbox(surfaces, out, channels, height, width, pad, {{scale0, scale1, scale2}, {shift0, shift1, shift2}});
}
