// Numbers that every kernel shares: half precision without cuda_fp16.h (NVRTC would have to find that header), limits,
// and stores of four neighbours at once.
//
// Every kernel is compiled with --fmad=false: a sum is fused only where the source says fmaf, so that the device, the
// host build of the tests and numpy round alike.

#pragma once

struct Half {
    unsigned short bits;
};

#ifdef __CUDACC__
__device__ inline Half to_half(float value) {
    Half half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half.bits) : "f"(value));
    return half;
}

__device__ inline float to_float(Half half) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half.bits));
    return value;
}
#endif  // without a CUDA compiler, tests/kernels/cuda_on_host.h brings both

const float LARGEST = 3.402823466e+38f;  // of all floats; NVRTC has no INFINITY

__device__ inline float to_float(float value) { return value; }

__device__ inline void store(float* out, float value) { *out = value; }
__device__ inline void store(Half* out, float value) { *out = to_half(value); }

// Whole numbers below 2^23 as floats, by their bits: a conversion instruction has a quarter of the rate.
const unsigned RAISED = 0x4b000000u;  // of a float, 2^23; a whole number put into its low bits is added to it
const float RAISE = 8388608.0f;

__device__ inline float raised(unsigned whole) { return __uint_as_float(RAISED | whole); }
__device__ inline float as_float(unsigned whole) { return raised(whole) - RAISE; }

__device__ inline float within(float value, float low, float high) { return fminf(fmaxf(value, low), high); }

__device__ inline bool finite(float value) { return fabsf(value) <= LARGEST; }

// Returns `pointer` moved down by `rows` of `pitch` bytes: in one instruction, where the compiler makes three.
template <typename T>
__device__ inline const T* below(const T* pointer, unsigned rows, unsigned pitch) {
#ifdef __CUDACC__
    asm("mad.wide.u32 %0, %1, %2, %0;" : "+l"(pointer) : "r"(rows), "r"(pitch));
    return pointer;
#else
    return reinterpret_cast<const T*>(reinterpret_cast<const char*>(pointer) + (size_t)rows * pitch);
#endif
}

// Reads what is at `at` if `wanted`, else returns 0. Of a plain condition the compiler makes a branch, and waits in it.
__device__ inline unsigned load_if(bool wanted, const unsigned char* at) {
#ifdef __CUDACC__
    unsigned value;
    asm("{ .reg .pred p; setp.ne.u32 p, %2, 0; mov.u32 %0, 0; @p ld.global.nc.u8 %0, [%1]; }"
        : "=r"(value) : "l"(at), "r"((unsigned)wanted));
    return value;
#else
    return wanted ? *at : 0;
#endif
}

__device__ inline unsigned load_if(bool wanted, const unsigned short* at) {
#ifdef __CUDACC__
    unsigned value;
    asm("{ .reg .pred p; setp.ne.u32 p, %2, 0; mov.u32 %0, 0; @p ld.global.nc.u16 %0, [%1]; }"
        : "=r"(value) : "l"(at), "r"((unsigned)wanted));
    return value;
#else
    return wanted ? *at : 0;
#endif
}

__device__ inline unsigned load_if(bool wanted, const unsigned* at) {
#ifdef __CUDACC__
    unsigned value;
    asm("{ .reg .pred p; setp.ne.u32 p, %2, 0; mov.u32 %0, 0; @p ld.global.nc.u32 %0, [%1]; }"
        : "=r"(value) : "l"(at), "r"((unsigned)wanted));
    return value;
#else
    return wanted ? *at : 0;
#endif
}

// Writes four neighbours with one instruction: 16 bytes of float, 8 of half. `out` must be aligned to that.
__device__ inline void store4(float* out, const float* values) {
    *reinterpret_cast<float4*>(out) = make_float4(values[0], values[1], values[2], values[3]);
}

__device__ inline void store4(Half* out, const float* values) {
    ushort4 halves = make_ushort4(
        to_half(values[0]).bits, to_half(values[1]).bits, to_half(values[2]).bits, to_half(values[3]).bits);
    *reinterpret_cast<ushort4*>(out) = halves;
}

// Writes up to four neighbours of a row of `width` values from column `x` on.
template <typename Out>
__device__ inline void store_row(Out* row, int x, int width, const float* values) {
    if (width % 4 == 0) {  // then every row starts where the first does: aligned
        store4(row + x, values);
        return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
        if (x + i < width) store(row + x + i, values[i]);
}
