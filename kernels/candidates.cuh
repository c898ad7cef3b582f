// What a decode kernel hands to a suppression kernel: the rows of a model's output that count, a table an image.

#pragma once

#include "numbers.cuh"

// All (N, capacity) and indexed by the row of the model's output, except `rows`, which lists the rows that count in
// whatever order they were found, and `counts` (N), which says how many. `counts` is zero before a decode; the
// suppression that reads it leaves it at zero for the next.
struct Candidates {
    float4* boxes;   // x1, y1, x2, y2 in input pixels; of a rotated box, before it is turned about its centre
    float* scores;
    int* class_ids;  // -1: counts among the best, but is not wanted
    int* rows;
    int* counts;
    int capacity;
};

// Appends a row whose centre, size, score and class are known.
__device__ inline void append(
    const Candidates& to, int image, int row, float x, float y, float width, float height, float score, int class_id,
    const unsigned* wanted) {
    size_t at = (size_t)image * to.capacity + row;
    float half_width = width / 2, half_height = height / 2;
    to.boxes[at] = make_float4(x - half_width, y - half_height, x + half_width, y + half_height);
    to.scores[at] = score;
    bool is_wanted = wanted == nullptr || (wanted[class_id / 32] >> (class_id % 32) & 1u);
    to.class_ids[at] = is_wanted ? class_id : -1;
    to.rows[(size_t)image * to.capacity + atomicAdd(&to.counts[image], 1)] = row;
}

// The best of a row's classes as numpy has it: the first of equals, and NaN as soon as one is NaN.
struct Best {
    float score;
    int class_id;

    __device__ void offer(float other, int other_id) {
        if (other > score || other != other) {
            score = other;
            class_id = other_id;
        }
    }
};
