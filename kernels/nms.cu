// Class-aware suppression of upright boxes for a batch of images; keeps exactly what streamd/postprocess/select.py
// and boxes.py keep, in their order, and maps it to source pixels as streamd/letterbox.py does.
//
// Arguments
//   boxes, scores, class_ids, kept, counts, capacity   Candidates (candidates.cuh); counts are zero afterwards
//   geometries  (N) Geometry (suppress.cuh): where each image stands in the input
//   iou         a box is suppressed by a better one of its class that overlaps it by more than this
//   limit       most detections of an image
//   found       (N, limit) Found (suppress.cuh), boxes in source pixels
//   found_counts (N)
// Launch: block 1024 (any size works), grid N.

#include "suppress.cuh"

const float FARTHEST = 1e6f;  // streamd/postprocess/select.py

__device__ inline float along(float value, float offset, float new_size, float size, float scale) {
    return fminf(within(value - offset, 0.0f, new_size) * scale, size);
}

struct Upright {
    const float4* boxes;
    Geometry place;
    float iou;

    typedef float4 Shape;

    __device__ float4 source(float4 box) const {
        return make_float4(along(box.x, place.left, place.new_width, place.width, place.scale_x),
                           along(box.y, place.top, place.new_height, place.height, place.scale_y),
                           along(box.z, place.left, place.new_width, place.width, place.scale_x),
                           along(box.w, place.top, place.new_height, place.height, place.scale_y));
    }

    __device__ bool wanted(size_t at) const {
        float4 box = boxes[at];
        if (!(finite(box.x) && finite(box.y) && finite(box.z) && finite(box.w))) return false;
        float4 shown = source(box);
        return shown.z > shown.x && shown.w > shown.y;
    }

    __device__ float4 load(size_t at) const {
        float4 box = boxes[at];
        return make_float4(within(box.x, -FARTHEST, FARTHEST), within(box.y, -FARTHEST, FARTHEST),
                           within(box.z, -FARTHEST, FARTHEST), within(box.w, -FARTHEST, FARTHEST));
    }

    __device__ bool covers(float4 a, float4 b) const {
        float width = fmaxf(fminf(a.z, b.z) - fmaxf(a.x, b.x), 0.0f);
        float height = fmaxf(fminf(a.w, b.w) - fmaxf(a.y, b.y), 0.0f);
        float shared = width * height;
        float area = fmaxf(a.z - a.x, 0.0f) * fmaxf(a.w - a.y, 0.0f);
        float other = fmaxf(b.z - b.x, 0.0f) * fmaxf(b.w - b.y, 0.0f);
        float whole = area + other - shared;
        return (whole > 0.0f ? shared / whole : 0.0f) > iou;
    }

    __device__ void found(size_t at, Found& out) const {
        out.box = source(boxes[at]);
        out.angle = 0.0f;
    }
};

extern "C" __global__ void __launch_bounds__(1024) nms(
    float4* boxes, float* scores, int* class_ids, int* kept, int* counts, int capacity, const Geometry* geometries,
    float iou, int limit, Found* found, int* found_counts) {
    Candidates from = {boxes, scores, class_ids, kept, counts, capacity};
    suppress(from, Upright{boxes, geometries[blockIdx.x], iou}, limit, found, found_counts);
}
