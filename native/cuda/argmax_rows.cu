#include <optional>

#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

constexpr int kColsPerBlock = 8192;

/** A value and its place as one number: the larger value first, then the smaller place. A NaN is 0, less than
 * any number's. */
__device__ uint64_t ranked(float x, int64_t j) {
  if (x != x) return 0;
  if (x == 0) x = 0;  // -0 is no less than 0
  const uint32_t bits = __float_as_uint(x), ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(ordered) << 32 | (0xffffffffu - static_cast<uint32_t>(j));
}

/** The largest over the block's threads, in thread 0. */
__device__ uint64_t largest_of_block(uint64_t x) {
  __shared__ uint64_t parts[kThreads / 32];
  for (int offset = 16; offset > 0; offset /= 2) x = max(x, __shfl_xor_sync(~0u, x, offset));
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  if (threadIdx.x == 0)
    for (int i = 1; i < kThreads / 32; i++) x = max(x, parts[i]);
  return x;
}

__device__ int32_t place_of(uint64_t x) { return x == 0 ? 0 : 0xffffffffu - static_cast<uint32_t>(x); }

/** Block (part of the columns, row). */
__global__ void part_kernel(View x, uint64_t* parts, int32_t* out, int64_t cols) {
  wait_for_previous();
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kColsPerBlock,
                end = min(begin + kColsPerBlock, cols);
  const int64_t row = blockIdx.y;
  uint64_t most = 0;
  for (int64_t j = begin + threadIdx.x; j < end; j += kThreads)
    most = max(most, ranked(x.load(row * cols + j), j));
  most = largest_of_block(most);
  if (threadIdx.x != 0) return;
  if (gridDim.x == 1)
    out[row] = place_of(most);
  else
    parts[row * gridDim.x + blockIdx.x] = most;
}

__global__ void merge_kernel(const uint64_t* parts, int32_t* out, int n) {
  wait_for_previous();
  uint64_t most = 0;
  for (int i = threadIdx.x; i < n; i += kThreads)
    most = max(most, parts[static_cast<int64_t>(blockIdx.x) * n + i]);
  most = largest_of_block(most);
  if (threadIdx.x == 0) out[blockIdx.x] = place_of(most);
}

}  // namespace

void CudaOps::argmax_rows(const Tensor& x, const Tensor& out) {
  const auto rows = static_cast<unsigned>(x.rows());
  if (rows == 0) return;
  const unsigned blocks = blocks_for(x.cols(), kColsPerBlock);
  std::optional<Scratch> parts;
  if (blocks > 1) parts.emplace(context_, sizeof(uint64_t) * rows * blocks);
  auto* of_parts = parts ? parts->as<uint64_t>() : nullptr;
  launch_overlapping(context_, part_kernel, dim3(blocks, rows), kThreads, 0, View(x), of_parts,
                     out.data<int32_t>(), x.cols());
  if (blocks > 1)
    launch_overlapping(context_, merge_kernel, rows, kThreads, 0, static_cast<const uint64_t*>(of_parts),
                       out.data<int32_t>(), static_cast<int>(blocks));
}

}  // namespace qlora::cuda
