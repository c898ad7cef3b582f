// Rows of box, objectness and class scores, as YOLOv5 and YOLOX write them: which count, and how well they score.

#pragma once

#include "candidates.cuh"

// Scores the row at `at` (5 + classes values); false when it does not count. A class's score is at most 1, so most
// rows fall by their objectness alone, and only what is left of them is read.
template <typename Value>
__device__ inline bool score_row(const Value* at, int classes, float hopeful, float confidence, Best& best) {
    float objectness = to_float(at[4]);
    if (!(objectness >= hopeful)) return false;
    best = {to_float(at[5]), 0};
#pragma unroll 8
    for (int k = 1; k < classes; ++k) best.offer(to_float(at[5 + k]), k);
    best.score = objectness * best.score;
    return best.score >= confidence;
}
