// Reads the raw output of YOLOX: keeps the rows whose objectness times best class reaches the threshold, and decodes
// those: centre = (xy + cell) * stride, size = exp(wh) * stride, for strides 8, 16, 32 in that order.
// The definition is streamd/postprocess/yolox.py's.
//
// Arguments
//   values      (N, rows, 5 + classes) float or half: x, y, w, h, objectness, scores
//   classes, rows
//   width, height   of the model's input, in pixels
//   hopeful     objectness counts from here on: the threshold as the output's type holds it
//   confidence  a score counts from here on
//   wanted      bits, one a class, or null for all
//   boxes, scores, class_ids, kept, counts   Candidates of capacity `rows` (candidates.cuh)
// Launch: block 128, grid (ceil(rows / 128), N). A thread reads one row.

#include "objectness.cuh"

template <typename Value>
__device__ inline void decode(
    const Value* values, int classes, int rows, int width, int height, float hopeful, float confidence,
    const unsigned* wanted, const Candidates& to) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    int image = blockIdx.y;
    if (row >= rows) return;
    const Value* at = values + ((size_t)image * rows + row) * (5 + classes);
    Best best;
    if (!score_row(at, classes, hopeful, confidence, best)) return;
    int cell = row, stride = 8;
    for (; stride < 32; stride *= 2) {
        int cells = (width / stride) * (height / stride);
        if (cell < cells) break;
        cell -= cells;
    }
    int columns = width / stride;
    append(to, image, row, (to_float(at[0]) + (float)(cell % columns)) * (float)stride,
           (to_float(at[1]) + (float)(cell / columns)) * (float)stride, expf(to_float(at[2])) * (float)stride,
           expf(to_float(at[3])) * (float)stride, best.score, best.class_id, wanted);
}

extern "C" __global__ void decode_yolox_f32(
    const float* values, int classes, int rows, int width, int height, float hopeful, float confidence,
    const unsigned* wanted, float4* boxes, float* scores, int* class_ids, int* kept, int* counts) {
    decode(values, classes, rows, width, height, hopeful, confidence, wanted,
           {boxes, scores, class_ids, kept, counts, rows});
}

extern "C" __global__ void decode_yolox_f16(
    const Half* values, int classes, int rows, int width, int height, float hopeful, float confidence,
    const unsigned* wanted, float4* boxes, float* scores, int* class_ids, int* kept, int* counts) {
    decode(values, classes, rows, width, height, hopeful, confidence, wanted,
           {boxes, scores, class_ids, kept, counts, rows});
}
