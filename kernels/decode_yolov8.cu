// Reads the output of YOLOv8 and its kin (v9, v11, v12; and of its rotated boxes): keeps the rows whose best class
// reaches the threshold. The definition is streamd/postprocess/yolov8.py's and obb.py's.
//
// Arguments
//   values      (N, 4 + classes, rows) float or half: centre x, centre y, width, height, scores;
//               decode_obb: (N, 5 + classes, rows), the angle in radians last
//   classes, rows
//   confidence  a score counts from here on
//   wanted      bits, one a class, or null for all
//   boxes, scores, class_ids, kept, counts   Candidates of capacity `rows` (candidates.cuh)
//   angles      decode_obb: (N, rows) float, radians
//   turns       decode_obb: (N, rows) float2, cosine and sine of the angle
// Launch: block 128, grid (ceil(rows / 128), N). A thread reads one row; neighbours read neighbouring values.

#include "candidates.cuh"

template <typename Value>
__device__ inline bool decode(
    const Value* values, int planes, int classes, int rows, float confidence, const unsigned* wanted,
    const Candidates& to) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    int image = blockIdx.y;
    if (row >= rows) return false;
    const Value* at = values + (size_t)image * planes * rows + row;
    const Value* score_at = at + (size_t)4 * rows;
    Best best = {to_float(score_at[0]), 0};
#pragma unroll 16
    for (int k = 1; k < classes; ++k) best.offer(to_float(score_at[(size_t)k * rows]), k);
    if (!(best.score >= confidence)) return false;
    append(to, image, row, to_float(at[0]), to_float(at[rows]), to_float(at[(size_t)2 * rows]),
           to_float(at[(size_t)3 * rows]), best.score, best.class_id, wanted);
    return true;
}

template <typename Value>
__device__ inline void decode_obb(
    const Value* values, int classes, int rows, float confidence, const unsigned* wanted, const Candidates& to,
    float* angles, float2* turns) {
    if (!decode(values, 5 + classes, classes, rows, confidence, wanted, to)) return;
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    size_t at = (size_t)blockIdx.y * rows + row;
    float angle = to_float(values[((size_t)blockIdx.y * (5 + classes) + 4 + classes) * rows + row]);
    angles[at] = angle;
    turns[at] = make_float2(cosf(angle), sinf(angle));
}

extern "C" __global__ void decode_yolov8_f32(
    const float* values, int classes, int rows, float confidence, const unsigned* wanted, float4* boxes, float* scores,
    int* class_ids, int* kept, int* counts) {
    decode(values, 4 + classes, classes, rows, confidence, wanted, {boxes, scores, class_ids, kept, counts, rows});
}

extern "C" __global__ void decode_yolov8_f16(
    const Half* values, int classes, int rows, float confidence, const unsigned* wanted, float4* boxes, float* scores,
    int* class_ids, int* kept, int* counts) {
    decode(values, 4 + classes, classes, rows, confidence, wanted, {boxes, scores, class_ids, kept, counts, rows});
}

extern "C" __global__ void decode_obb_f32(
    const float* values, int classes, int rows, float confidence, const unsigned* wanted, float4* boxes, float* scores,
    int* class_ids, int* kept, int* counts, float* angles, float2* turns) {
    decode_obb(values, classes, rows, confidence, wanted, {boxes, scores, class_ids, kept, counts, rows}, angles,
               turns);
}

extern "C" __global__ void decode_obb_f16(
    const Half* values, int classes, int rows, float confidence, const unsigned* wanted, float4* boxes, float* scores,
    int* class_ids, int* kept, int* counts, float* angles, float2* turns) {
    decode_obb(values, classes, rows, confidence, wanted, {boxes, scores, class_ids, kept, counts, rows}, angles,
               turns);
}
