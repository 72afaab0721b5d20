#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "core/tensor.h"

// Reads and writes float tensors of any of the three dtypes as floats. The dtype is a value, not a template
// parameter: the branch is the same for a whole warp and costs nothing compared to the memory access.
namespace qlora::cuda {

struct View {
  void* data;
  DType dtype;
  bool aligned;  // to 16 bytes

  View() = default;
  __host__ __device__ View(void* p, DType d)
      : data(p), dtype(d), aligned(reinterpret_cast<uintptr_t>(p) % 16 == 0) {}
  explicit View(const Tensor& t) : View(t.data<char>(), t.dtype) {}

  __device__ float load(int64_t i) const {
    if (dtype == DType::f32) return static_cast<const float*>(data)[i];
    if (dtype == DType::bf16) return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]);
    return __half2float(static_cast<const __half*>(data)[i]);
  }
  __device__ void store(int64_t i, float x) const {
    if (dtype == DType::f32) {
      static_cast<float*>(data)[i] = x;
    } else if (dtype == DType::bf16) {
      static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16_rn(x);
    } else {
      static_cast<__half*>(data)[i] = __float2half_rn(x);
    }
  }

  /** Elements [i, i + 8) that exist below n; i a multiple of 8. */
  __device__ void load8(int64_t i, int64_t n, float* x) const {
    if (!aligned || i + 8 > n) {
      for (int j = 0; j < 8; j++) x[j] = i + j < n ? load(i + j) : 0.0f;
    } else if (dtype == DType::f32) {
      const float4* p = reinterpret_cast<const float4*>(static_cast<const float*>(data) + i);
      float4 a = p[0], b = p[1];
      x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w, x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
    } else {
      uint4 packed = *reinterpret_cast<const uint4*>(static_cast<const uint16_t*>(data) + i);
      const uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (dtype == DType::bf16) {
          x[2 * j] = __uint_as_float(words[j] << 16);
          x[2 * j + 1] = __uint_as_float(words[j] & 0xffff0000u);
        } else {
          float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&words[j]));
          x[2 * j] = pair.x, x[2 * j + 1] = pair.y;
        }
      }
    }
  }
  __device__ void store8(int64_t i, int64_t n, const float* x) const {
    if (!aligned || i + 8 > n) {
      for (int j = 0; j < 8; j++)
        if (i + j < n) store(i + j, x[j]);
    } else if (dtype == DType::f32) {
      float4* p = reinterpret_cast<float4*>(static_cast<float*>(data) + i);
      p[0] = make_float4(x[0], x[1], x[2], x[3]);
      p[1] = make_float4(x[4], x[5], x[6], x[7]);
    } else {
      uint32_t words[4];
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (dtype == DType::bf16) {
          __nv_bfloat162 pair = __floats2bfloat162_rn(x[2 * j], x[2 * j + 1]);
          words[j] = *reinterpret_cast<uint32_t*>(&pair);
        } else {
          __half2 pair = __floats2half2_rn(x[2 * j], x[2 * j + 1]);
          words[j] = *reinterpret_cast<uint32_t*>(&pair);
        }
      }
      *reinterpret_cast<uint4*>(static_cast<uint16_t*>(data) + i) =
          make_uint4(words[0], words[1], words[2], words[3]);
    }
  }
};

/** For reading row by row: rows whose length is not a multiple of 8 start unaligned. */
inline View by_row(const Tensor& t) {
  View view(t);
  view.aligned = view.aligned && t.cols() % 8 == 0;
  return view;
}

/** x as it would be read back after it was stored as dtype. */
__device__ inline float rounded(DType dtype, float x) {
  if (dtype == DType::bf16) return __bfloat162float(__float2bfloat16_rn(x));
  if (dtype == DType::f16) return __half2float(__float2half_rn(x));
  return x;
}

}  // namespace qlora::cuda
