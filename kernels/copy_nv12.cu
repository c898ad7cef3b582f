// Copies an NV12 or P010 picture of any pitch to an 8-bit NV12 picture of its own, for a kernel to draw on. The
// reference is eight_bit in streamd/annotate/paint.py.
//
// Arguments
//   luma, luma_pitch       the picture's Y, and bytes from row to row
//   chroma, chroma_pitch   its U, V interleaved
//   to_luma, to_chroma     where it goes
//   to_pitch               bytes from row to row, of both
//   width, height          in pixels; odd sizes are allowed
//   sample_bytes           of the picture: 1 NV12, 2 P010, whose bits are at the top of 16
// Launch: block (32, 4), grid (ceil(columns / 512), ceil(height / 4), 2), columns being width made even; z 0 is Y, 1 is
// U, V. A thread makes 16 bytes, at once where they and their source are aligned.

struct alignas(16) Sixteen {
    unsigned words[4];
};

__device__ inline unsigned eight_bit(unsigned sample) { return sample > 65407 ? 255 : (sample + 128) >> 8; }

// Two words of P010 hold four samples: the bytes of one word, in their order.
__device__ inline unsigned packed(unsigned first, unsigned second) {
    return eight_bit(first & 65535) | eight_bit(first >> 16) << 8 | eight_bit(second & 65535) << 16
        | eight_bit(second >> 16) << 24;
}

extern "C" __global__ void copy_nv12(
    const unsigned char* luma, int luma_pitch, const unsigned char* chroma, int chroma_pitch, unsigned char* to_luma,
    unsigned char* to_chroma, int to_pitch, int width, int height, int sample_bytes) {
    bool of_luma = blockIdx.z == 0;
    int columns = of_luma ? width : (width + 1) / 2 * 2, rows = of_luma ? height : (height + 1) / 2;
    int x = (blockIdx.x * blockDim.x + threadIdx.x) * 16, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    const unsigned char* from = of_luma ? luma + (size_t)y * luma_pitch : chroma + (size_t)y * chroma_pitch;
    unsigned char* to = (of_luma ? to_luma : to_chroma) + (size_t)y * to_pitch + x;
    from += (size_t)x * sample_bytes;
    if (x + 16 <= columns && ((size_t)from | (size_t)to) % sizeof(Sixteen) == 0) {
        const Sixteen* source = reinterpret_cast<const Sixteen*>(from);
        Sixteen made = source[0];
        if (sample_bytes == 2) {
            Sixteen more = source[1];
            made = {{packed(made.words[0], made.words[1]), packed(made.words[2], made.words[3]),
                     packed(more.words[0], more.words[1]), packed(more.words[2], more.words[3])}};
        }
        *reinterpret_cast<Sixteen*>(to) = made;
        return;
    }
    for (int i = 0; i < min(16, columns - x); ++i)
        to[i] = sample_bytes == 1
            ? from[i]
            : (unsigned char)eight_bit(reinterpret_cast<const unsigned short*>(from)[i]);
}
