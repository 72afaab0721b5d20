#pragma once
#include "cuda/attention.cuh"

// Attention without tensor cores: float32, mixed dtypes, heads over 128. A block has 8 warps, each with one
// row of its own; 32 rows of the other side are loaded into shared memory at a time, and each lane computes
// the score of one of them.
namespace qlora::cuda {

constexpr int kWarps = kThreads / 32;
constexpr int kLaneColumns = 8;  // of a head of up to 256, for each of 32 lanes

__device__ inline float warp_sum(float x) {
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
}
__device__ inline float warp_max(float x) {
  for (int offset = 16; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(~0u, x, offset));
  return x;
}

/** `tiles` tiles of 32 rows, then `own` rows for each warp. */
struct ScalarTiles {
  float* data;
  int head_dim, stride;

  __device__ ScalarTiles(float* shared, int d) : data(shared), head_dim(d), stride(d + 1) {}
  static size_t bytes(int64_t head_dim, int tiles, int own) {
    return static_cast<size_t>((tiles * 32 + own * kWarps) * (head_dim + 1)) * sizeof(float);
  }

  /** Row `i` of this warp; the kernel's two tiles come first. */
  __device__ float* own(int i) const { return data + (2 * 32 + i * kWarps + threadIdx.x / 32) * stride; }
  /** Loads rows [first, first + 32) of a head; those from `valid` on are zero. */
  __device__ void load(int tile, const View& from, int64_t first, int valid, int64_t row_stride,
                       int64_t column) const {
    for (int i = threadIdx.x; i < 32 * head_dim; i += kThreads) {
      const int row = i / head_dim, d = i % head_dim;
      data[(tile * 32 + row) * stride + d] =
          row < valid ? from.load((first + row) * row_stride + column + d) : 0.0f;
    }
  }
  __device__ float dot(const float* row, int tile, int other) const {
    const float* y = data + (tile * 32 + other) * stride;
    float sum = 0;
    for (int d = 0; d < head_dim; d++) sum = fmaf(row[d], y[d], sum);
    return sum;
  }
  /** acc += sum over lanes j of weight[j] * row j of the tile; acc[i] is column lane + 32 * i. */
  __device__ void add_rows(float* acc, int tile, float weight) const {
    const int lane = threadIdx.x % 32;
    for (int j = 0; j < 32; j++) {
      const float w = __shfl_sync(~0u, weight, j);
      const float* y = data + (tile * 32 + j) * stride;
#pragma unroll
      for (int i = 0; i < kLaneColumns; i++)
        if (lane + 32 * i < head_dim) acc[i] = fmaf(w, y[lane + 32 * i], acc[i]);
    }
  }
};

}  // namespace qlora::cuda
