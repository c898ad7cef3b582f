// The CUDA that the kernels use, on the host, so that g++ compiles the very same .cu and CI can run it.
//
// A kernel without barriers is a loop over its threads. One with __syncthreads runs the threads of a block as fibers
// that take turns from barrier to barrier, forwards or backwards: a missing barrier shows as two different answers.
// One block runs at a time, so __shared__ is plain static memory, which holds what the block before left in it.

#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

struct dim3 {
    unsigned x, y, z;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__
#define __shared__ static

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(8) ushort4 {
    unsigned short x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z, unsigned short w) {
    return {x, y, z, w};
}

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline unsigned __float_as_uint(float value) {
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
// Bytes of a pair of words, picked by four digits: 0 to 3 of `low`, 4 to 7 of `high`.
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned digits) {
    uint64_t both = (uint64_t)high << 32 | low;
    unsigned picked = 0;
    for (int i = 0; i < 4; ++i) picked |= (unsigned)(both >> 8 * (digits >> 4 * i & 7) & 255) << 8 * i;
    return picked;
}
inline float __saturatef(float value) { return fminf(fmaxf(value, 0.0f), 1.0f); }
inline float __uint_as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <typename T>
inline T __ldg(const T* at) {
    return *at;
}

template <typename T, typename V>
inline T atomicAdd(T* at, V value) {
    T old = *at;
    *at += value;
    return old;
}
inline unsigned atomicAnd(unsigned* at, unsigned value) {
    unsigned old = *at;
    *at &= value;
    return old;
}
inline unsigned atomicOr(unsigned* at, unsigned value) {
    unsigned old = *at;
    *at |= value;
    return old;
}

// IEEE half precision, rounded to nearest, ties to even.
struct Half;
Half to_half(float value);
float to_float(Half half);

// ---- launching ----------------------------------------------------------------------------------------------------

namespace host {

struct Fiber {
    ucontext_t start;
    jmp_buf at;
    dim3 index;
    bool begun, done;
    std::vector<char> stack;
};

static std::vector<Fiber> fibers;
static jmp_buf scheduler;
static Fiber* running;
static void (*body)(void*);
static void* arguments;
static bool has_barriers;

inline void barrier() {
    if (!has_barriers) {
        fprintf(stderr, "__syncthreads in a kernel that was launched as a loop\n");
        abort();
    }
    if (!_setjmp(running->at)) _longjmp(scheduler, 1);
    threadIdx = running->index;
}

inline void enter() {
    body(arguments);
    running->done = true;
    _longjmp(scheduler, 1);
}

inline void resume(Fiber& fiber) {
    running = &fiber;
    threadIdx = fiber.index;
    if (_setjmp(scheduler)) return;
    if (fiber.begun) _longjmp(fiber.at, 1);
    fiber.begun = true;
    setcontext(&fiber.start);
}

inline void run_fibers(const std::vector<dim3>& threads) {
    const size_t stack = 64 * 1024;
    fibers.resize(threads.size());
    for (size_t i = 0; i < threads.size(); ++i) {
        Fiber& fiber = fibers[i];
        fiber.index = threads[i];
        fiber.begun = fiber.done = false;
        fiber.stack.resize(stack);
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = fiber.stack.data();
        fiber.start.uc_stack.ss_size = stack;
        fiber.start.uc_link = nullptr;
        makecontext(&fiber.start, enter, 0);
    }
    for (bool alive = true; alive;) {
        alive = false;
        for (Fiber& fiber : fibers) {
            if (!fiber.done) resume(fiber);
            alive |= !fiber.done;
        }
    }
}

inline void run(const unsigned* grid, const unsigned* block, bool barriers, bool backwards, void (*f)(void*), void* a) {
    body = f;
    arguments = a;
    has_barriers = barriers;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    std::vector<dim3> threads;
    for (unsigned z = 0; z < block[2]; ++z)
        for (unsigned y = 0; y < block[1]; ++y)
            for (unsigned x = 0; x < block[0]; ++x) threads.push_back({x, y, z});
    if (backwards) threads = std::vector<dim3>(threads.rbegin(), threads.rend());
    for (unsigned z = 0; z < grid[2]; ++z)
        for (unsigned y = 0; y < grid[1]; ++y)
            for (unsigned x = 0; x < grid[0]; ++x) {
                blockIdx = {x, y, z};
                if (barriers) {
                    run_fibers(threads);
                    continue;
                }
                for (const dim3& thread : threads) {
                    threadIdx = thread;
                    body(arguments);
                }
            }
}

template <typename... Arguments, size_t... I>
void call(void (*kernel)(Arguments...), void** values, std::index_sequence<I...>) {
    kernel(*static_cast<Arguments*>(values[I])...);
}

// Launches `kernel` with `values`, one pointer an argument, as cuLaunchKernel does; 0, or 1 for a wrong count.
template <typename... Arguments>
int launch(void (*kernel)(Arguments...), const unsigned* grid, const unsigned* block, bool barriers, bool backwards,
           void** values, size_t count) {
    if (count != sizeof...(Arguments)) return 1;
    struct Call {
        void (*kernel)(Arguments...);
        void** values;
    } it{kernel, values};
    run(grid, block, barriers, backwards,
        [](void* at) {
            Call* it = static_cast<Call*>(at);
            call(it->kernel, it->values, std::index_sequence_for<Arguments...>{});
        },
        &it);
    return 0;
}

}  // namespace host

inline void __syncthreads() { host::barrier(); }

#define HALF_ON_HOST                                                                                      \
    Half to_half(float value) {                                                                           \
        unsigned bits = __float_as_uint(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;     \
        if (rest > 0x7f800000) return {(unsigned short)(sign | 0x7fff)};                                  \
        if (rest >= 0x477ff000) return {(unsigned short)(sign | 0x7c00)};                                 \
        int shift = rest >= 0x38800000 ? 13 : 126 - (int)(rest >> 23);                                    \
        if (shift > 24) return {(unsigned short)sign};                                                    \
        uint64_t whole = rest >= 0x38800000 ? rest - 0x38000000 : (rest & 0x7fffff) | 0x800000;           \
        uint64_t half = 1ull << (shift - 1), low = whole & ((1ull << shift) - 1);                         \
        whole >>= shift;                                                                                  \
        if (low > half || (low == half && (whole & 1))) ++whole;                                          \
        return {(unsigned short)(sign | whole)};                                                          \
    }                                                                                                     \
    float to_float(Half half) {                                                                           \
        int exponent = half.bits >> 10 & 31, rest = half.bits & 1023;                                     \
        float value = exponent == 31 ? (rest ? NAN : INFINITY)                                            \
                      : exponent ? ldexpf(1024 + rest, exponent - 25)                                     \
                                 : ldexpf((float)rest, -24);                                              \
        return half.bits & 0x8000 ? -value : value;                                                       \
    }
