#pragma once
#include <type_traits>

#include "cuda/view.cuh"

// m16n8k16 of the tensor cores with fp32 sums; before sm_80 two m16n8k8, without bfloat16 (`has_mma`). Lane
// 4 * g + t has, of the 16 x 8 sums, rows g and g + 8, columns 2t and 2t + 1; of the left operand, row g in
// a[0] and a[2] and row g + 8 in a[1] and a[3]; of the right one, column g.
namespace qlora::cuda {

template <typename T>
struct Pair;
template <>
struct Pair<__nv_bfloat16> {
  static __device__ uint32_t pack(float low, float high) {
    __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<uint32_t*>(&pair);
  }
};
template <>
struct Pair<__half> {
  static __device__ uint32_t pack(float low, float high) {
    __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<uint32_t*>(&pair);
  }
};

/** Whether a GPU's tensor cores support the dtype. */
inline bool has_mma(int capability, DType dtype) {
  return dtype == DType::f16 || (dtype == DType::bf16 && capability >= 80);
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
template <typename T>
__device__ inline void mma(float* c, const uint32_t* a, const uint32_t* b) {
  if constexpr (!std::is_same_v<T, __half>) return;  // not launched
#pragma unroll
  for (int half = 0; half < 2; half++)
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
}
#else
template <typename T>
__device__ inline void mma(float* c, const uint32_t* a, const uint32_t* b);
template <>
__device__ inline void mma<__nv_bfloat16>(float* c, const uint32_t* a, const uint32_t* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
__device__ inline void mma<__half>(float* c, const uint32_t* a, const uint32_t* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

}  // namespace qlora::cuda
