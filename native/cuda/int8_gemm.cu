#include "cuda/int8_gemm.h"
#include "cuda/launch.cuh"

namespace qlora::cuda {

namespace {

constexpr int kTileRows = 64, kWords = 16;  // of a and of b in shared memory, 4 codes a word

/** The word of four codes at [row, col], 0 beyond the matrix. */
__device__ int32_t word_at(const int8_t* x, int64_t row, int64_t rows, int64_t col, int64_t k,
                           bool whole_words) {
  if (row >= rows || col >= k) return 0;
  const int8_t* p = x + row * k + col;
  if (whole_words) return *reinterpret_cast<const int32_t*>(p);
  uint32_t word = 0;
  for (int j = 0; j < 4 && col + j < k; j++)
    word |= static_cast<uint32_t>(static_cast<uint8_t>(p[j])) << (8 * j);
  return static_cast<int32_t>(word);
}

/** A tile of 64 x 64 a block, 4 x 4 a thread; four products an instruction. */
__global__ void int8_kernel(const int8_t* a, const int8_t* b, int32_t* out, int64_t m, int64_t n, int64_t k,
                            bool whole_words) {
  __shared__ int32_t left[kTileRows][kWords + 1], right[kTileRows][kWords + 1];
  const int64_t row0 = static_cast<int64_t>(blockIdx.y) * kTileRows;
  const int64_t col0 = static_cast<int64_t>(blockIdx.x) * kTileRows;
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  int32_t sums[4][4] = {};
  for (int64_t from = 0; from < k; from += 4 * kWords) {
    for (int i = threadIdx.x; i < kTileRows * kWords; i += kThreads) {
      const int row = i / kWords, word = i % kWords;
      left[row][word] = word_at(a, row0 + row, m, from + 4 * word, k, whole_words);
      right[row][word] = word_at(b, col0 + row, n, from + 4 * word, k, whole_words);
    }
    __syncthreads();
#pragma unroll
    for (int word = 0; word < kWords; word++) {
      int32_t x[4], y[4];
      for (int i = 0; i < 4; i++) x[i] = left[ty + 16 * i][word];
      for (int j = 0; j < 4; j++) y[j] = right[tx + 16 * j][word];
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) sums[i][j] = __dp4a(x[i], y[j], sums[i][j]);
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) {
      const int64_t row = row0 + ty + 16 * i, col = col0 + tx + 16 * j;
      if (row < m && col < n) out[row * n + col] = sums[i][j];
    }
}

bool fits_tensor_cores(const void* a, const void* b, int64_t m, int64_t n, int64_t k) {
  return (reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b)) % 16 == 0 && m % 4 == 0 &&
         n % 16 == 0 && k % 16 == 0;
}

}  // namespace

void int8_product(const Context& context, const int8_t* a, const int8_t* b, int32_t* out, int64_t m,
                  int64_t n, int64_t k) {
  if (m == 0 || n == 0) return;
  if (k > 0 && fits_tensor_cores(a, b, m, n, k)) {
    Gemm gemm{};
    gemm.a = a;
    gemm.b = b;
    gemm.out = out;
    gemm.transpose_b = true;
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    gemm.operands = DType::i8;
    gemm.result = DType::i32;
    gemm.alpha = 1;
    if (context.blas.run(gemm)) return;
  }
  const bool whole_words =
      k % 4 == 0 && (reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b)) % 4 == 0;
  const dim3 grid(blocks_for(n, kTileRows), blocks_for(m, kTileRows));
  int8_kernel<<<grid, kThreads, 0, context.stream>>>(a, b, out, m, n, k, whole_words);
  check_launch();
}

}  // namespace qlora::cuda
