// Reads the decoded output of YOLOv5 and its kin (v6, v7): keeps the rows whose objectness times best class reaches
// the threshold. The definition is streamd/postprocess/yolov5.py's.
//
// Arguments
//   values      (N, rows, 5 + classes) float or half: centre x, centre y, width, height, objectness, scores
//   classes, rows
//   hopeful     objectness counts from here on: the threshold as the output's type holds it
//   confidence  a score counts from here on
//   wanted      bits, one a class, or null for all
//   boxes, scores, class_ids, kept, counts   Candidates of capacity `rows` (candidates.cuh)
// Launch: block 128, grid (ceil(rows / 128), N). A thread reads one row.

#include "objectness.cuh"

template <typename Value>
__device__ inline void decode(
    const Value* values, int classes, int rows, float hopeful, float confidence, const unsigned* wanted,
    const Candidates& to) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    int image = blockIdx.y;
    if (row >= rows) return;
    const Value* at = values + ((size_t)image * rows + row) * (5 + classes);
    Best best;
    if (!score_row(at, classes, hopeful, confidence, best)) return;
    append(to, image, row, to_float(at[0]), to_float(at[1]), to_float(at[2]), to_float(at[3]), best.score,
           best.class_id, wanted);
}

extern "C" __global__ void decode_yolov5_f32(
    const float* values, int classes, int rows, float hopeful, float confidence, const unsigned* wanted, float4* boxes,
    float* scores, int* class_ids, int* kept, int* counts) {
    decode(values, classes, rows, hopeful, confidence, wanted, {boxes, scores, class_ids, kept, counts, rows});
}

extern "C" __global__ void decode_yolov5_f16(
    const Half* values, int classes, int rows, float hopeful, float confidence, const unsigned* wanted, float4* boxes,
    float* scores, int* class_ids, int* kept, int* counts) {
    decode(values, classes, rows, hopeful, confidence, wanted, {boxes, scores, class_ids, kept, counts, rows});
}
