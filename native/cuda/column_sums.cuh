#pragma once
#include "cuda/launch.cuh"

namespace qlora::cuda {

constexpr int64_t kMostChunks = 128;

template <typename Term>
__global__ void column_partials(int64_t rows, int64_t cols, int64_t rows_per_chunk, Term term,
                                float* partial) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x, chunk = blockIdx.y;
  const int64_t end = min(rows, (chunk + 1) * rows_per_chunk);
  __shared__ float sums[8][32];
  float sum = 0;
  if (j < cols)
    for (int64_t i = chunk * rows_per_chunk + threadIdx.y; i < end; i += 8) sum += term(i, j);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && j < cols) {
    for (int k = 1; k < 8; k++) sum += sums[k][threadIdx.x];
    partial[chunk * cols + j] = sum;
  }
}

/**
 * out[j] = beta * out[j] + sum_i term(i, j): rows are divided into chunks whose sums are added in order, so
 * that equal inputs give equal bits.
 */
template <typename Term>
void column_sums(const Context& context, int64_t rows, int64_t cols, const Tensor& out, double beta,
                 Term term) {
  if (cols == 0) return;
  const int64_t chunks = std::min(kMostChunks, std::max<int64_t>(1, (rows + 31) / 32));
  const Scratch scratch(context, static_cast<size_t>(chunks * cols) * sizeof(float));
  float* partial = scratch.as<float>();
  const dim3 grid(blocks_for(cols, 32), static_cast<unsigned>(chunks)), block(32, 8);
  column_partials<<<grid, block, 0, context.stream>>>(rows, cols, (rows + chunks - 1) / chunks, term,
                                                      partial);
  check_launch();
  const View to(out);
  const float kept = static_cast<float>(beta);
  launch_each(context, cols, [=] __device__(int64_t j) {
    float sum = 0;
    for (int64_t k = 0; k < chunks; k++) sum += partial[k * cols + j];
    to.store(j, kept == 0.0f ? sum : kept * to.load(j) + sum);
  });
}

}  // namespace qlora::cuda
