// Paints marks (boxes, turned boxes, filled labels, glyphs) onto NV12 pictures in place, many marks and pictures in one launch.
// A mark covers what lies under it in the order of the list, so that overlaps come out the same on every run; all is
// whole numbers, so that streamd/annotate/paint.py gives the very same bytes.
//
// Arguments
//   canvases    (N) Canvas: a picture, and which marks are its
//   marks       Mark, those of one picture in a row, in the order they are painted
//   atlas       bytes, coverage 0..255: the masks that marks refer to; null where none does
// Launch: block (16, 16), grid (ceil(width / 32), ceil(height / 32), N) for the largest picture. A thread owns 2 x 2
// luma samples and their U, V; a block passes over whatever marks miss its tile.

struct Canvas {
    unsigned char* luma;
    unsigned char* chroma;  // U, V interleaved
    int pitch;              // bytes from row to row
    int chroma_pitch;
    int width;              // in pixels; odd sizes are allowed
    int height;
    int first;              // of its marks
    int count;
};

struct Mark {
    int left, top, right, bottom;  // pixels, right and bottom exclusive; what is outside the picture is not painted
    int mask;                      // where its coverage starts in the atlas; -1: it covers all; -2: an outline
    int mask_pitch;
    unsigned char y, u, v;         // its colour
    unsigned char alpha;           // 255: opaque
    // The outline of a turned box covers the pixels whose centres are no further than `line` from its sides.
    int centre_x, centre_y;        // in sixteenths of a pixel, as the three below
    int along, across;             // half its sides
    int line;                      // half as wide as the line
    int cosine, sine;              // of the angle of the side `along`, times 16384
};

const int TILE = 32;
const int BATCH = 256;  // marks looked at together: one a thread

__device__ inline int blend(int under, int over, int alpha) {
    return (under * (255 - alpha) + over * alpha + 127) / 255;
}

__device__ inline bool outlined(const Mark& mark, int x, int y) {
    long long dx = 16LL * x + 8 - mark.centre_x, dy = 16LL * y + 8 - mark.centre_y;
    long long along = dx * mark.cosine + dy * mark.sine, across = dy * mark.cosine - dx * mark.sine;
    if (along < 0) along = -along;
    if (across < 0) across = -across;
    long long line = 16384LL * mark.line, half_along = 16384LL * mark.along, half_across = 16384LL * mark.across;
    if (along > half_along + line || across > half_across + line) return false;
    return along >= half_along - line || across >= half_across - line;
}

__device__ inline int coverage(const Mark& mark, const unsigned char* atlas, int x, int y) {
    if (x < mark.left || x >= mark.right || y < mark.top || y >= mark.bottom) return 0;
    if (mark.mask == -1 || (mark.mask == -2 && outlined(mark, x, y))) return mark.alpha;
    if (mark.mask < 0) return 0;
    int mask = atlas[mark.mask + (y - mark.top) * mark.mask_pitch + (x - mark.left)];
    return (mask * mark.alpha + 127) / 255;
}

__device__ inline bool touches(const Mark& mark, int left, int top, int right, int bottom) {
    return mark.left < right && left < mark.right && mark.top < bottom && top < mark.bottom;
}

extern "C" __global__ void draw_nv12(const Canvas* canvases, const Mark* marks, const unsigned char* atlas) {
    __shared__ unsigned hits[BATCH / 32];
    Canvas canvas = canvases[blockIdx.z];
    int tile_x = blockIdx.x * TILE, tile_y = blockIdx.y * TILE;
    if (tile_x >= canvas.width || tile_y >= canvas.height) return;
    int rank = threadIdx.y * blockDim.x + threadIdx.x;
    int x = tile_x + 2 * threadIdx.x, y = tile_y + 2 * threadIdx.y;
    // Of an odd picture's last samples only those that exist count.
    int columns = max(0, min(2, canvas.width - x)), rows = max(0, min(2, canvas.height - y));
    int samples = columns * rows;
    unsigned char* luma = canvas.luma + (size_t)y * canvas.pitch + x;
    unsigned char* chroma = canvas.chroma + (size_t)(y / 2) * canvas.chroma_pitch + x;
    int values[4] = {0, 0, 0, 0}, u = 0, v = 0;
    bool loaded = false;

    for (int start = 0; start < canvas.count; start += BATCH) {
        const Mark* batch = marks + canvas.first + start;
        if (rank < BATCH / 32) hits[rank] = 0;
        __syncthreads();
        if (start + rank < canvas.count && touches(batch[rank], tile_x, tile_y, tile_x + TILE, tile_y + TILE))
            atomicOr(&hits[rank / 32], 1u << (rank % 32));
        __syncthreads();
        for (int word = 0; word < BATCH / 32; ++word) {
            for (unsigned bits = hits[word]; bits; bits &= bits - 1) {
                Mark mark = batch[word * 32 + __ffs((int)bits) - 1];
                if (samples == 0 || !touches(mark, x, y, x + columns, y + rows)) continue;
                if (!loaded) {
                    for (int i = 0; i < 4; ++i)
                        if (i % 2 < columns && i / 2 < rows) values[i] = luma[(size_t)(i / 2) * canvas.pitch + i % 2];
                    u = chroma[0];
                    v = chroma[1];
                    loaded = true;
                }
                int sum = 0;
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    if (i % 2 >= columns || i / 2 >= rows) continue;
                    int alpha = coverage(mark, atlas, x + i % 2, y + i / 2);
                    values[i] = blend(values[i], mark.y, alpha);
                    sum += alpha;
                }
                int alpha = (sum + samples / 2) / samples;
                u = blend(u, mark.u, alpha);
                v = blend(v, mark.v, alpha);
            }
        }
        __syncthreads();
    }
    if (!loaded) return;
    for (int i = 0; i < 4; ++i)
        if (i % 2 < columns && i / 2 < rows)
            luma[(size_t)(i / 2) * canvas.pitch + i % 2] = (unsigned char)values[i];
    chroma[0] = (unsigned char)u;
    chroma[1] = (unsigned char)v;
}
