// Makes a batch of model inputs from decoded surfaces in one launch: NV12 or P010 of any size and pitch, bilinear
// letterbox, stretch or crop of Y, U and V each straight to its size, colour, scale, mean and std, N,C,H,W.
// The sum is streamd/preprocess/reference.py's.
//
// Arguments
//   surfaces    (N) Surface: what frame b is and where it lands; its weights say matrix, range and channel order
//   out         (N, channels, height, width) float or half; every value is written
//   channels    1 or 3
//   pad         0..255, the pixel around the picture
//   scale0..2, shift0..2   p * scale + shift, a channel
// Alignment: a P010 plane and its pitch are even; a chroma plane and its pitch are a multiple of one U, V pair.
// Launch: block 128, grid (ceil(width / 128), ceil(height / 8), N). A thread makes eight pixels of a column.

#include "letterbox.cuh"

// A pair is read at once: half as many loads.
__device__ inline void split(unsigned short pair, float& u, float& v) {
    u = as_float(pair & 0xffu);
    v = as_float(pair >> 8 & 0xffu);
}

__device__ inline void split(unsigned pair, float& u, float& v) {
    u = as_float(pair & 0xffffu);
    v = as_float(pair >> 16);
}

template <typename Sample, typename Pair>
class Planes {
  public:
    __device__ Planes(const Surface& frame, bool gray)
        : frame_(frame), gray_(gray), down_(0, 1, 1), chroma_down_(0, 1, 1) {}

    __device__ void begin(int column, int row) {
        int chroma_width = (frame_.width + 1) / 2, chroma_height = (frame_.height + 1) / 2;
        across_ = Walk(column, frame_.width, frame_.new_width).tap();
        chroma_across_ = Walk(column, chroma_width, frame_.new_width).tap();
        down_ = Walk(row, frame_.height, frame_.new_height);
        chroma_down_ = Walk(row, chroma_height, frame_.new_height);
    }

    __device__ void read(float* parts) {
        Tap y = down_.tap();
        down_.next();
        parts[0] = bilinear<Sample, 1>(row<Sample>(frame_.pixels, y.first, frame_.pitch),
                                       row<Sample>(frame_.pixels, y.second, frame_.pitch), across_, y.weight);
        if (gray_) return;
        Tap cy = chroma_down_.tap();
        chroma_down_.next();
        const Pair* above = row<Pair>(frame_.chroma, cy.first, frame_.chroma_pitch);
        const Pair* below = row<Pair>(frame_.chroma, cy.second, frame_.chroma_pitch);
        unsigned first = chroma_across_.first, second = chroma_across_.second;
        float u[4], v[4], x = chroma_across_.weight;
        split(__ldg(above + first), u[0], v[0]);
        split(__ldg(above + second), u[1], v[1]);
        split(__ldg(below + first), u[2], v[2]);
        split(__ldg(below + second), u[3], v[3]);
        parts[1] = mix(mix(u[0], u[1], x), mix(u[2], u[3], x), cy.weight);
        parts[2] = mix(mix(v[0], v[1], x), mix(v[2], v[3], x), cy.weight);
    }

  private:
    template <typename T>
    __device__ static const T* row(const unsigned char* plane, int row, int pitch) {
        return reinterpret_cast<const T*>(plane + (size_t)row * pitch);
    }

    const Surface& frame_;
    bool gray_;
    Tap across_, chroma_across_;
    Walk down_, chroma_down_;
};

template <typename Out>
__device__ inline void nv12_letterbox(
    const Surface* surfaces, Out* out, int channels, int height, int width, float pad, const Scale& sum) {
    const Surface frame = surfaces[blockIdx.z];
    bool gray = channels == 1;
    if (frame.sample_bytes == 1)
        letterbox(frame, out, channels, height, width, pad, sum, Planes<unsigned char, unsigned short>(frame, gray));
    else
        letterbox(frame, out, channels, height, width, pad, sum, Planes<unsigned short, unsigned>(frame, gray));
}

extern "C" __global__ void nv12_letterbox_f32(
    const Surface* surfaces, float* out, int channels, int height, int width, float pad, float scale0, float scale1,
    float scale2, float shift0, float shift1, float shift2) {
    nv12_letterbox(surfaces, out, channels, height, width, pad, {{scale0, scale1, scale2}, {shift0, shift1, shift2}});
}

extern "C" __global__ void nv12_letterbox_f16(
    const Surface* surfaces, Half* out, int channels, int height, int width, float pad, float scale0, float scale1,
    float scale2, float shift0, float shift1, float shift2) {
    nv12_letterbox(surfaces, out, channels, height, width, pad, {{scale0, scale1, scale2}, {shift0, shift1, shift2}});
}
