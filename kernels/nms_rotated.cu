// Class-aware suppression of rotated boxes for a batch of images; keeps exactly what streamd/postprocess/rotated.py
// keeps, in its order. Boxes stay in input pixels: the host turns the few that are found into source pixels.
//
// Arguments
//   boxes, scores, class_ids, kept, counts, capacity   Candidates (candidates.cuh); counts are zero afterwards
//   angles      (N, capacity) radians, the turn of a box about its centre, from x towards y
//   turns       (N, capacity) float2, cosine and sine of the angle
//   geometries  (N) Geometry (suppress.cuh): what lies outside the source is not wanted
//   iou         a box is suppressed by a better one of its class that overlaps it by more than this
//   limit       most detections of an image
//   found       (N, limit) Found (suppress.cuh), boxes in input pixels, before they are turned
//   found_counts (N)
// Launch: block 1024 (any size works), grid N.

#include "suppress.cuh"

struct Turned {
    float x, y, half_width, half_height, cosine, sine;
};

// The area under one edge of a polygon, between -half_height and half_height, its x held within half_width.
// Summed around a convex polygon that is its overlap with the upright rectangle of that size about the origin.
__device__ inline float edge_area(float px, float py, float qx, float qy, float half_width, float half_height) {
    float y0 = within(py, -half_height, half_height), y1 = within(qy, -half_height, half_height);
    float rise = qy - py;
    if (rise == 0.0f || y1 == y0) return 0.0f;
    float x0 = px + (y0 - py) / rise * (qx - px), x1 = px + (y1 - py) / rise * (qx - px);
    float low = fminf(x0, x1), high = fmaxf(x0, x1);
    float low_in = within(low, -half_width, half_width), high_in = within(high, -half_width, half_width);
    float mean = low_in;
    if (high > low) {
        float left = fminf(high, -half_width) - fminf(low, -half_width);
        float right = fmaxf(high, half_width) - fmaxf(low, half_width);
        float middle = (high_in - low_in) * ((low_in + high_in) * 0.5f);
        mean = (middle + (right - left) * half_width) / (high - low);
    }
    return mean * (y1 - y0);
}

__device__ inline float shared_area(const Turned& a, const Turned& b) {
    // a in the frame of b, whose axes are (cosine, sine) and (-sine, cosine).
    float dx = a.x - b.x, dy = a.y - b.y;
    float x = dx * b.cosine + dy * b.sine, y = dy * b.cosine - dx * b.sine;
    float cosine = a.cosine * b.cosine + a.sine * b.sine, sine = a.sine * b.cosine - a.cosine * b.sine;
    float wx = a.half_width * cosine, wy = a.half_width * sine;
    float hx = a.half_height * sine, hy = a.half_height * cosine;
    float px[4] = {x - wx + hx, x + wx + hx, x + wx - hx, x - wx - hx};
    float py[4] = {y - wy - hy, y + wy - hy, y + wy + hy, y - wy + hy};
    float area = 0.0f;
#pragma unroll
    for (int i = 0; i < 4; ++i)
        area = area + edge_area(px[i], py[i], px[(i + 1) % 4], py[(i + 1) % 4], b.half_width, b.half_height);
    return area;
}

struct Rotated {
    const float4* boxes;
    const float* angles;
    const float2* turns;
    Geometry place;
    float iou;

    typedef Turned Shape;

    __device__ Turned load(size_t at) const {
        float4 box = boxes[at];
        float2 turn = turns[at];
        return {(box.x + box.z) * 0.5f, (box.y + box.w) * 0.5f, (box.z - box.x) * 0.5f, (box.w - box.y) * 0.5f, turn.x,
                turn.y};
    }

    __device__ bool wanted(size_t at) const {
        Turned box = load(at);
        if (!(finite(box.x) && finite(box.y) && finite(box.half_width) && finite(box.half_height) &&
              finite(box.cosine)))
            return false;
        if (!(box.half_width > 0.0f && box.half_height > 0.0f)) return false;
        float across = fabsf(box.half_width * box.cosine) + fabsf(box.half_height * box.sine);
        float down = fabsf(box.half_width * box.sine) + fabsf(box.half_height * box.cosine);
        return box.x + across > place.left && box.x - across < place.left + place.new_width &&
               box.y + down > place.top && box.y - down < place.top + place.new_height;
    }

    __device__ bool covers(const Turned& a, const Turned& b) const {
        float shared = shared_area(a, b);
        float whole = 4.0f * a.half_width * a.half_height + 4.0f * b.half_width * b.half_height - shared;
        return (whole > 0.0f ? shared / whole : 0.0f) > iou;
    }

    __device__ void found(size_t at, Found& out) const {
        out.box = boxes[at];
        out.angle = angles[at];
    }
};

extern "C" __global__ void __launch_bounds__(1024) nms_rotated(
    float4* boxes, float* scores, int* class_ids, int* kept, int* counts, int capacity, const float* angles,
    const float2* turns, const Geometry* geometries, float iou, int limit, Found* found, int* found_counts) {
    Candidates from = {boxes, scores, class_ids, kept, counts, capacity};
    Rotated shapes = {boxes, angles, turns, geometries[blockIdx.x], iou};
    suppress(from, shapes, limit, found, found_counts);
}
