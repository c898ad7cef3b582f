// Makes a batch of model inputs from decoded surfaces in one launch: NV12 or P010 of any size and pitch, bilinear
// letterbox, stretch or crop of Y, U and V each straight to its size, colour, scale, mean and std, N,C,H,W.
// The sum is streamd/preprocess/reference.py's.
//
// Arguments
//   surfaces    (N) Surface: what frame b is and where it lands; its weights say matrix, range and channel order;
//               without pixels (null) there is no frame, and its row is left as it is
//   out         (N, channels, height, width) float or half; every value of a frame's row is written
//   channels    1 or 3
//   pad         0..1, the pixel around the picture
//   scale0..2, shift0..2   p * scale + shift of a pixel 0..1, a channel
// Alignment: a P010 plane and its pitch are even; a chroma plane and its pitch are a multiple of one U, V pair.
// Launch: block (128, 1), grid (ceil(width / 128), ceil(height / 8), N). A block makes 128 x 8 pixels, a thread
// a column of them.

#include "letterbox.cuh"

// A pair is read at once: half as many loads.
template <typename Pair>
__device__ inline void split(unsigned pair, float& u, float& v) {
    u = __uint_as_float(__byte_perm(pair, RAISED, sizeof(Pair) == 2 ? 0x7440 : 0x7410));
    v = __uint_as_float(__byte_perm(pair, RAISED, sizeof(Pair) == 2 ? 0x7441 : 0x7432));
}

// A column of the resized picture in one plane.
template <typename Sample>
struct Column {
    const Sample* left;  // the first of its two samples in row 0
    bool two;
    float weight;
    unsigned pitch;

    __device__ Column(const unsigned char* plane, int pitch, int width, int column, const Surface& frame)
        : pitch(pitch) {
        Tap tap = tap_of(column, width, frame.new_width, frame.share_across);
        left = reinterpret_cast<const Sample*>(plane) + tap.first;
        two = tap.second != tap.first;
        weight = tap.weight;
    }

    __device__ void read(const Tap& down, unsigned* four) const {
        read_four<1>(below(left, down.first, pitch), below(left, down.second, pitch), two, four);
    }
};

// WHOLE: Surface::whole; the luma samples are the pixels then, with nothing to be worked out between them.
template <typename Sample, typename Pair, bool GRAY, bool WHOLE>
class Planes {
  public:
    static const int CHANNELS = GRAY ? 1 : 3, PLANES = GRAY ? 1 : 2, AT_ONCE = 4;

    __device__ static int height(const Surface& frame, int plane) {
        return plane == 0 ? frame.height : (frame.height + 1) / 2;
    }

    __device__ Planes(const Surface& frame, int column)
        : luma_(frame.pixels, frame.pitch, frame.width, column, frame),
          chroma_(frame.chroma, frame.chroma_pitch, (frame.width + 1) / 2, column, frame) {}

    __device__ void read(int row, const Tap (*taps)[HIGH], int i) {
        if (WHOLE)
            samples_[i][0] = __ldg(below(luma_.left, taps[0][row].first, luma_.pitch));
        else
            luma_.read(taps[0][row], samples_[i]);
        if (!GRAY) chroma_.read(taps[PLANES - 1][row], pairs_[i]);
    }

    __device__ void parts(int row, const Tap (*taps)[HIGH], int i, float* parts) const {
        parts[0] = luma(samples_[i], taps[0][row].weight);
        parts[1] = parts[2] = 0.0f;
        if (!GRAY) {
            float u[4], v[4], down = taps[PLANES - 1][row].weight;
#pragma unroll
            for (int k = 0; k < 4; ++k) split<Pair>(pairs_[i][k], u[k], v[k]);
            parts[1] = bilinear(u, chroma_.weight, down);
            parts[2] = bilinear(v, chroma_.weight, down);
        }
    }

  private:
    __device__ float luma(const unsigned* samples, float down) const {
        if (WHOLE) return as_float(samples[0]);
        float y[4] = {raised(samples[0]), raised(samples[1]), raised(samples[2]), raised(samples[3])};
        return bilinear(y, luma_.weight, down);
    }

    Column<Sample> luma_;
    Column<Pair> chroma_;
    unsigned samples_[AT_ONCE][4];
    unsigned pairs_[AT_ONCE][4];
};

template <typename Sample, typename Pair, typename Out>
__device__ inline void letterbox_of(
    const Surface& frame, Out* out, int channels, int height, int width, float pad, const Scale& sum) {
    if (channels == 1)
        letterbox<Out, Planes<Sample, Pair, true, false>>(frame, out, height, width, pad, sum);
    else if (frame.whole)
        letterbox<Out, Planes<Sample, Pair, false, true>>(frame, out, height, width, pad, sum);
    else
        letterbox<Out, Planes<Sample, Pair, false, false>>(frame, out, height, width, pad, sum);
}

template <typename Out>
__device__ inline void nv12_letterbox(
    const Surface* surfaces, Out* out, int channels, int height, int width, float pad, const Scale& sum) {
    const Surface frame = surfaces[blockIdx.z];
    if (!frame.pixels) return;
    if (frame.sample_bytes == 1)
        letterbox_of<unsigned char, unsigned short>(frame, out, channels, height, width, pad, sum);
    else
        letterbox_of<unsigned short, unsigned>(frame, out, channels, height, width, pad, sum);
}

extern "C" __global__ void __launch_bounds__(128, 8) nv12_letterbox_f32(
    const Surface* surfaces, float* out, int channels, int height, int width, float pad, float scale0, float scale1,
    float scale2, float shift0, float shift1, float shift2) {
    nv12_letterbox(surfaces, out, channels, height, width, pad, {{scale0, scale1, scale2}, {shift0, shift1, shift2}});
}

extern "C" __global__ void __launch_bounds__(128, 8) nv12_letterbox_f16(
    const Surface* surfaces, Half* out, int channels, int height, int width, float pad, float scale0, float scale1,
    float scale2, float shift0, float shift1, float shift2) {
    nv12_letterbox(surfaces, out, channels, height, width, pad, {{scale0, scale1, scale2}, {shift0, shift1, shift2}});
}
