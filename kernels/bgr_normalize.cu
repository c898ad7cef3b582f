// Makes a batch of model inputs from packed pictures that the host has letterboxed already: channel order, scale, mean
// and std, and from N,H,W,3 bytes to N,3,H,W. The sum is streamd/preprocess/bgr.py's.
//
// Arguments
//   pixels      (N, height, width, 3) bytes, packed, 4-byte aligned
//   out         (N, 3, height, width) float or half, 16-byte aligned
//   count       pixels of one picture: height * width
//   reverse     1: channel 0 of the tensor is byte 2 of a pixel (BGR in, RGB out); 0: byte 0
//   scale0..2, shift0..2   p * scale + shift, a channel of the tensor
// Launch: block 256, grid (ceil(count / 1024), N). A thread makes four neighbouring pixels.

#include "numbers.cuh"

template <typename Out>
__device__ inline void bgr_normalize(
    const unsigned char* pixels, Out* out, int count, int reverse, const float* scale, const float* shift) {
    int at = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
    if (at >= count) return;
    const unsigned char* from = pixels + ((size_t)blockIdx.y * count + at) * 3;
    unsigned char bytes[12];
    if (count % 4 == 0) {  // then every picture, and every fourth pixel of it, starts on a word
        const unsigned* words = reinterpret_cast<const unsigned*>(from);
#pragma unroll
        for (int word = 0; word < 3; ++word) {
            unsigned four = words[word];
#pragma unroll
            for (int k = 0; k < 4; ++k) bytes[4 * word + k] = (unsigned char)(four >> (8 * k));
        }
    } else {
        int left = min(12, 3 * (count - at));
#pragma unroll
        for (int k = 0; k < 12; ++k) bytes[k] = k < left ? from[k] : 0;
    }
    Out* to = out + (size_t)blockIdx.y * 3 * count;
#pragma unroll
    for (int channel = 0; channel < 3; ++channel) {
        float values[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            unsigned char byte = reverse ? bytes[3 * i + 2 - channel] : bytes[3 * i + channel];
            values[i] = fmaf((float)byte, scale[channel], shift[channel]);
        }
        store_row(to + (size_t)channel * count, at, count, values);
    }
}

extern "C" __global__ void bgr_normalize_f32(
    const unsigned char* pixels, float* out, int count, int reverse, float scale0, float scale1, float scale2,
    float shift0, float shift1, float shift2) {
    float scale[3] = {scale0, scale1, scale2}, shift[3] = {shift0, shift1, shift2};
    bgr_normalize(pixels, out, count, reverse, scale, shift);
}

extern "C" __global__ void bgr_normalize_f16(
    const unsigned char* pixels, Half* out, int count, int reverse, float scale0, float scale1, float scale2,
    float shift0, float shift1, float shift2) {
    float scale[3] = {scale0, scale1, scale2}, shift[3] = {shift0, shift1, shift2};
    bgr_normalize(pixels, out, count, reverse, scale, shift);
}
