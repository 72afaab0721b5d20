#include <optional>

#include "cuda/matmul_few_rows.h"
#include "cuda/mma.cuh"

// x @ W^T for a few rows of x, as in generation: each code is read once and nothing is written but the
// result.
namespace qlora::cuda {

namespace {

/** A pass over W for every 8 rows costs half a byte a weight; dequantizing costs 4.5, and the product comes
 * on top. Two passes leave a margin for what the fused pass loses to its table look-ups. */
constexpr int64_t kMostRows = 16;

constexpr int kTile = 16;    // rows of W that a block has
constexpr int kColumns = 8;  // rows of x that a block has
constexpr int kSlice = 32;   // weights that a lane loads at once, 16 bytes: never over the end of a block
constexpr int kChunk = 4 * kSlice;  // columns of W that a warp takes at a time
constexpr int kWarps = kThreads / 32;
constexpr int kAhead = 2;  // chunks that a warp loads before it multiplies the first

struct FewRows {
  const uint8_t* codes;
  Maxima maxima;
  const void* x;  // operands
  View out;
  uint32_t rows, out_features, in_features;  // out_features * in_features fits, too
  DType weight_dtype;
  float alpha, beta;
  CodeValues code;
};

/** Code values with a copy for each lane: every look-up in its own bank. */
using Table = float[16][32];

/** The value of the code in bits [bit, bit + 4) of `word`. */
__device__ inline float code_value(const Table& table, uint32_t word, int bit, uint32_t lane_offset) {
  // In place of index * 128 bytes: the bits are moved there at once.
  const uint32_t moved = bit >= 7 ? word >> (bit - 7) : word << (7 - bit);
  return *reinterpret_cast<const float*>(reinterpret_cast<const char*>(table) +
                                         ((moved & 0x780u) | lane_offset));
}

/** A block has 16 rows of W, its warps share their columns; a warp's sums are those of an m16n8k16 with W on
 * the left. The order of the columns inside a product is free: a lane takes 32 that follow each other. */
template <typename T, bool kTwice, bool kNested>
__global__ void __launch_bounds__(kThreads, 3) few_rows_kernel(const FewRows p) {
  __shared__ Table table;
  __shared__ float sums[kWarps][kColumns][kTile];
  __shared__ float map[kNested ? kThreads : 1];
  float offset = 0;
  if constexpr (kNested) {
    map[threadIdx.x] = p.maxima.map[threadIdx.x];
    offset = *p.maxima.offset;
  }
  for (int i = threadIdx.x; i < 16 * 32; i += kThreads) table[i / 32][i % 32] = p.code.value[i / 32];
  __syncthreads();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const uint32_t lane_offset = lane * sizeof(float);
  const uint32_t row0 = blockIdx.x * kTile, x0 = blockIdx.y * kColumns;
  // Rows past the last repeat it; their sums are not stored.
  const uint32_t begin[2] = {min(row0 + g, p.out_features - 1) * p.in_features,
                             min(row0 + g + 8, p.out_features - 1) * p.in_features};
  const bool has_x = x0 + g < p.rows;
  const uint4* own_x = static_cast<const uint4*>(p.x) + (x0 + g) * p.in_features / 8;
  float sum[4] = {};
  for (uint32_t first = warp * kChunk; first < p.in_features; first += kWarps * kAhead * kChunk) {
    uint4 codes[kAhead][2], x[kAhead][4];
    Maximum<kNested> maximum[kAhead][2] = {};
#pragma unroll
    for (int u = 0; u < kAhead; u++) {
      const uint32_t k = first + u * kWarps * kChunk + t * kSlice;
      const bool exists = k < p.in_features;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const uint32_t i = begin[half] + k;
        codes[u][half] =
            exists ? __ldcs(reinterpret_cast<const uint4*>(p.codes + i / 2)) : make_uint4(0, 0, 0, 0);
        if (exists) maximum[u][half] = Maximum<kNested>::fetch(p.maxima, i);
      }
#pragma unroll
      for (int j = 0; j < 4; j++) x[u][j] = exists && has_x ? own_x[(k + 8 * j) / 8] : make_uint4(0, 0, 0, 0);
    }
#pragma unroll
    for (int u = 0; u < kAhead; u++) {
      const uint32_t words[2][4] = {{codes[u][0].x, codes[u][0].y, codes[u][0].z, codes[u][0].w},
                                    {codes[u][1].x, codes[u][1].y, codes[u][1].z, codes[u][1].w}};
      const float scale[2] = {maximum[u][0].value(map, offset), maximum[u][1].value(map, offset)};
#pragma unroll
      for (int j = 0; j < 4; j++) {
        uint32_t weights[4][2];  // [byte][half]
#pragma unroll
        for (int byte = 0; byte < 4; byte++)
#pragma unroll
          for (int half = 0; half < 2; half++) {
            float a = code_value(table, words[half][j], 8 * byte + 4, lane_offset) * scale[half];
            float b = code_value(table, words[half][j], 8 * byte, lane_offset) * scale[half];
            if (kTwice) a = rounded(p.weight_dtype, a), b = rounded(p.weight_dtype, b);
            weights[byte][half] = Pair<T>::pack(a, b);
          }
        const uint32_t right[4] = {x[u][j].x, x[u][j].y, x[u][j].z, x[u][j].w};
#pragma unroll
        for (int pair = 0; pair < 2; pair++) {
          const uint32_t left[4] = {weights[2 * pair][0], weights[2 * pair][1], weights[2 * pair + 1][0],
                                    weights[2 * pair + 1][1]};
          mma<T>(sum, left, right + 2 * pair);
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; i++) sums[warp][2 * t + i % 2][g + i / 2 * 8] = sum[i];
  __syncthreads();
  const uint32_t column = threadIdx.x / kTile, row = threadIdx.x % kTile;
  if (column >= kColumns || x0 + column >= p.rows || row0 + row >= p.out_features) return;
  float total = 0;
  for (int w = 0; w < kWarps; w++) total += sums[w][column][row];
  const int64_t i = int64_t{x0 + column} * p.out_features + row0 + row;
  total *= p.alpha;
  if (p.beta != 0.0f) total += p.beta * p.out.load(i);
  p.out.store(i, total);
}

template <typename T, bool kTwice>
void launch(const Context& context, const FewRows& p) {
  const dim3 grid(blocks_for(p.out_features, kTile), blocks_for(p.rows, kColumns));
  const auto kernel = p.maxima.map ? few_rows_kernel<T, kTwice, true> : few_rows_kernel<T, kTwice, false>;
  kernel<<<grid, kThreads, 0, context.stream>>>(p);
  check_launch();
}

}  // namespace

bool few_rows(const Context& context, const FewRowsCall& call) {
  const int64_t rows = call.x.rows();
  const auto* codes = call.codes.data<uint8_t>();
  if (rows > kMostRows || !has_mma(context.gpu.capability, call.operands)) return false;
  if (call.in_features == 0 || call.in_features % kSlice != 0 || reinterpret_cast<uintptr_t>(codes) % 16 != 0)
    return false;
  if (call.out_features * call.in_features > UINT32_MAX) return false;
  View x(call.x);
  std::optional<Scratch> converted;
  if (x.dtype != call.operands || !x.aligned) {
    const int64_t n = call.x.numel();
    converted.emplace(context, static_cast<size_t>(n) * size_of(call.operands));
    const View from = x, to(converted->as<void>(), call.operands);
    launch_each(context, n, [=] __device__(int64_t i) { to.store(i, from.load(i)); });
    x = to;
  }
  const FewRows p{codes,
                  call.maxima,
                  x.data,
                  View(call.out),
                  static_cast<uint32_t>(rows),
                  static_cast<uint32_t>(call.out_features),
                  static_cast<uint32_t>(call.in_features),
                  call.weight_dtype,
                  static_cast<float>(call.alpha),
                  static_cast<float>(call.beta),
                  code_values(call.quant_type)};
  const bool twice = call.weight_dtype != DType::f32 && call.weight_dtype != call.operands;
  if (call.operands == DType::bf16)
    (twice ? launch<__nv_bfloat16, true> : launch<__nv_bfloat16, false>)(context, p);
  else
    (twice ? launch<__half, true> : launch<__half, false>)(context, p);
  return true;
}

}  // namespace qlora::cuda
