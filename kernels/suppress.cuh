// Greedy suppression of one image's candidates by one block: order them, then walk down, best first.
//
// The order is that of streamd/postprocess/boxes.py, total, so that the answer does not depend on timing: score
// descending, of equal scores the lower row first. At most MOST of the best are considered.

#pragma once

#include "candidates.cuh"

typedef unsigned long long Key;

const int MOST = 3000;      // streamd/postprocess/select.py, MOST_CANDIDATES
const int SORTED = 4096;    // the power of two that holds them
const int CHUNK = 64;       // candidates that are compared with each other at once: the bits of a Key

// Where the source stands in the input, and how input pixels become source pixels. streamd/letterbox.py, to_source.
struct Geometry {
    float left, top, new_width, new_height, width, height, scale_x, scale_y;
};

// One detection; what is copied to the host.
struct Found {
    float4 box;
    float score;
    int class_id;
    int row;      // of the model's output
    float angle;  // radians; 0 for an upright box
};

// Orders like the pair (score descending, row ascending); -0 is 0.
__device__ inline Key key_of(float score, int row) {
    unsigned bits = __float_as_uint(score + 0.0f);
    unsigned ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (Key)(~ascending) << 32 | (unsigned)row;
}

struct Image {
    const Candidates& from;
    size_t base;

    __device__ Key key(int listed) const {
        int row = from.rows[base + listed];
        return key_of(from.scores[base + row], row);
    }
};

// Sorts keys[0..size), size a power of two.
__device__ inline void sort(Key* keys, int size) {
    for (int width = 2; width <= size; width *= 2)
        for (int distance = width / 2; distance > 0; distance /= 2) {
            for (int i = threadIdx.x; i < size / 2; i += blockDim.x) {
                int low = 2 * i - (i & (distance - 1)), high = low + distance;
                Key a = keys[low], b = keys[high];
                if ((a > b) == ((low & width) == 0)) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
            __syncthreads();
        }
}

// Returns the MOST-th smallest of the image's `count` keys, which are all different: a digit of 8 bits at a time.
__device__ inline Key select_key(const Image& image, int count) {
    __shared__ int histogram[256];
    __shared__ Key prefix;
    __shared__ int wanted;
    if (threadIdx.x == 0) {
        prefix = 0;
        wanted = MOST;
    }
    for (int shift = 56; shift >= 0; shift -= 8) {
        for (int i = threadIdx.x; i < 256; i += blockDim.x) histogram[i] = 0;
        __syncthreads();
        Key known = prefix;
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            Key key = image.key(i);
            if (shift == 56 || key >> (shift + 8) == known) atomicAdd(&histogram[(int)(key >> shift & 255)], 1);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int digit = 0;
            for (; histogram[digit] < wanted; ++digit) wanted -= histogram[digit];
            prefix = known << 8 | (Key)digit;
        }
        __syncthreads();
    }
    return prefix;
}

// Fills keys with the image's best candidates in order and returns how many there are.
__device__ inline int order(const Image& image, int count, Key* keys) {
    __shared__ int gathered;
    if (threadIdx.x == 0) gathered = 0;  // select_key's barriers stand between this and its use
    int taken = min(count, MOST);
    if (count > SORTED) {
        Key last = select_key(image, count);
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            Key key = image.key(i);
            if (key <= last) keys[atomicAdd(&gathered, 1)] = key;
        }
    } else {
        for (int i = threadIdx.x; i < count; i += blockDim.x) keys[i] = image.key(i);
        taken = count;
    }
    int size = 2;
    while (size < taken) size *= 2;
    for (int i = taken + threadIdx.x; i < size; i += blockDim.x) keys[i] = ~(Key)0;
    __syncthreads();
    sort(keys, size);
    return min(count, MOST);
}

// Suppresses image blockIdx.x and writes at most `limit` detections, best first, a chunk of candidates at a time:
// all pairs at once, then one thread walks down the chunk by the bits that the pairs left.
//
// shapes.wanted(at)         whether a candidate may be found at all
// shapes.load(at)           what of a candidate is compared
// shapes.covers(a, b)       whether a suppresses b of the same class
// shapes.found(at, out)     fills the box and angle of a detection
template <typename Shapes>
__device__ inline void suppress(
    const Candidates& from, const Shapes& shapes, int limit, Found* found, int* found_counts) {
    __shared__ Key keys[SORTED];
    __shared__ unsigned short kept[MOST];  // places in the order
    __shared__ int total;
    __shared__ typename Shapes::Shape chunk[CHUNK];
    __shared__ int class_ids[CHUNK];
    __shared__ unsigned covers[CHUNK][2];  // [a][b / 32]: a suppresses b
    __shared__ unsigned dead[2];
    int block = blockIdx.x;
    Image image = {from, (size_t)block * from.capacity};
    int count = order(image, from.counts[block], keys);
    int most = min(limit, MOST);
    if (threadIdx.x == 0) total = 0;

    for (int start = 0; start < count; start += CHUNK) {
        int size = min(CHUNK, count - start);
        if (threadIdx.x < 2) dead[threadIdx.x] = 0;
        __syncthreads();
        int before = total;
        if (before == most) break;
        for (int i = threadIdx.x; i < size; i += blockDim.x) {
            size_t at = image.base + (unsigned)keys[start + i];
            chunk[i] = shapes.load(at);
            class_ids[i] = from.class_ids[at];
            covers[i][0] = covers[i][1] = 0;
            if (from.class_ids[at] < 0 || from.scores[at] > LARGEST || !shapes.wanted(at))
                atomicOr(&dead[i / 32], 1u << (i % 32));
        }
        __syncthreads();
        for (int pair = threadIdx.x; pair < CHUNK * before; pair += blockDim.x) {
            int i = pair % CHUNK;
            size_t by = image.base + (unsigned)keys[kept[pair / CHUNK]];
            if (i < size && from.class_ids[by] == class_ids[i] && shapes.covers(shapes.load(by), chunk[i]))
                atomicOr(&dead[i / 32], 1u << (i % 32));
        }
        for (int pair = threadIdx.x; pair < CHUNK * size; pair += blockDim.x) {
            int i = pair / CHUNK, j = pair % CHUNK;
            if (i < j && j < size && class_ids[i] == class_ids[j] && shapes.covers(chunk[i], chunk[j]))
                atomicOr(&covers[i][j / 32], 1u << (j % 32));
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            unsigned low = dead[0], high = dead[1];
            for (int i = 0; i < size && before < most; ++i) {
                unsigned by_low = covers[i][0], by_high = covers[i][1];
                if ((i < 32 ? low >> i : high >> (i - 32)) & 1u) continue;
                kept[before++] = (unsigned short)(start + i);
                low |= by_low;
                high |= by_high;
            }
            total = before;
        }
        __syncthreads();
    }
    __syncthreads();  // for `total` of an image without candidates
    for (int i = threadIdx.x; i < total; i += blockDim.x) {
        int row = (int)(unsigned)keys[kept[i]];
        size_t at = image.base + row;
        Found& out = found[(size_t)block * limit + i];
        shapes.found(at, out);
        out.score = fminf(from.scores[at], 1.0f);
        out.class_id = from.class_ids[at];
        out.row = row;
    }
    if (threadIdx.x == 0) {
        found_counts[block] = total;
        from.counts[block] = 0;
    }
}
