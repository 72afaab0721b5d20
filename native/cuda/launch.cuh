#pragma once
#include <algorithm>

#include "cuda/context.h"
#include "cuda/error.h"
#include "cuda/view.cuh"

namespace qlora::cuda {

constexpr int kThreads = 256;

inline unsigned blocks_for(int64_t items, int64_t per_block) {
  return static_cast<unsigned>(std::max<int64_t>(1, (items + per_block - 1) / per_block));
}

/** Before this, a kernel of `launch_overlapping` touches nothing that the kernel before it writes. */
__device__ inline void wait_for_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
  // Only now, so that what the next kernel reads early can be in doubt because of this one alone.
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

/** Launches a kernel that calls `wait_for_previous`. Where the context allows it, its blocks start while the
 * kernel before still runs. */
template <typename... P, typename... A>
void launch_overlapping(const Context& context, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared,
                        A... arguments) {
  cudaLaunchAttribute attribute;
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = context.stream;
  config.attrs = &attribute;
  config.numAttrs = context.overlaps && context.gpu.capability >= 90 ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, P(arguments)...), "kernel launch");
}

template <typename F>
__global__ void each_kernel(int64_t n, F f) {
  wait_for_previous();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < n) f(i);
}

/** f(i) for i in [0, n), one thread each. */
template <typename F>
void launch_each(const Context& context, int64_t n, F f) {
  if (n == 0) return;
  launch_overlapping(context, each_kernel<F>, blocks_for(n, kThreads), kThreads, 0, n, f);
}

/** f(i) for i = 0, 8, 16 .. below n: eight elements a thread. */
template <typename F>
void launch_each8(const Context& context, int64_t n, F f) {
  launch_each(context, (n + 7) / 8, [=] __device__(int64_t i) { f(i * 8); });
}

/** The sum over the block's threads, in a fixed order, in every thread. Up to 1024 threads, a multiple of 32.
 */
template <typename T>
__device__ T block_sum(T x) {
  __shared__ T parts[32];
  __syncthreads();  // `parts` may still be read from the last call
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  const int warps = blockDim.x / 32;
  T total = static_cast<int>(threadIdx.x % 32) < warps ? parts[threadIdx.x % 32] : T(0);
  for (int offset = 16; offset > 0; offset /= 2) total += __shfl_xor_sync(~0u, total, offset);
  return total;
}

/** The largest over the block's threads; a NaN is not a number and loses. */
__device__ inline float block_max(float x) {
  __shared__ float parts[32];
  __syncthreads();
  for (int offset = 16; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(~0u, x, offset));
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  const int warps = blockDim.x / 32;
  float most = static_cast<int>(threadIdx.x % 32) < warps ? parts[threadIdx.x % 32] : -INFINITY;
  for (int offset = 16; offset > 0; offset /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, offset));
  return most;
}

/** Keeps the first fault of a queue. */
__device__ inline void raise(Fault* fault, FaultKind kind, int64_t index, int32_t value, int64_t limit) {
  if (atomicCAS(reinterpret_cast<int*>(&fault->kind), 0, static_cast<int>(kind)) == 0) {
    fault->value = value;
    fault->index = index;
    fault->limit = limit;
  }
}

}  // namespace qlora::cuda
