#pragma once
#include "cuda/matmul_few_rows.h"
#include "cuda/mma.cuh"

// x @ W^T for a few rows of x, as in generation: each code is read once, and nothing is written but the
// result. What bounds it is how many instructions a weight takes. So one look-up gives two weights, from a
// table of all bytes with a copy for each lane (its own bank); the products take codes' values, and a block's
// maximum comes on top of their sum.
namespace qlora::cuda {

constexpr int kChunk = 128;  // columns of W in one round of products, 32 that follow each other for a lane
constexpr int kStep = 2 * kChunk;  // columns of W that a warp loads ahead
constexpr int kMostGroup = 8;      // warps that share a tile's columns
constexpr int kRowsOfX = 4;        // rows of x in one tensor core product: two of its columns each

/** How a kernel is made: warps of a block, and 16 rows of W for each half of a tile. `kWhole`: blocks of 64
 * with nested maxima and in_features a multiple of 256, and a GPU with much shared memory. */
template <typename T_, int kWarps_, int kHalves_, int kTiles_, bool kWhole_>
struct FewRowsForm {
  using T = T_;
  static constexpr int kWarps = kWarps_, kHalves = kHalves_, kTiles = kTiles_;
  static constexpr bool kWhole = kWhole_;
  static constexpr int kTileRows = 16 * kHalves;
  /** Bytes from a table entry to the next. With 256 a byte is moved to its place by one instruction. */
  static constexpr int kEntry = kWhole ? 256 : 128;
  /** Where x is read ahead for a whole chunk, its registers are many. */
  static constexpr int kAhead = kTiles <= 2 ? 4 : 1;
  static constexpr size_t kTable = 256 * kEntry;
  static constexpr size_t kScales = size_t{kWarps} * 2 * 32 * sizeof(float4);
  static constexpr size_t kSums = size_t{kWarps} * 2 * kTiles * kRowsOfX * kTileRows * sizeof(float);
  static constexpr size_t kMaps = kMostJoined * 256 * sizeof(float);
  static constexpr size_t kShared = kTable + kScales + kSums + kMaps;
};

/** Loads where `exists`; otherwise x stays as it is, which takes no instruction. */
__device__ inline void load_where(uint4& x, const uint4* from, bool exists) {
  asm volatile("{.reg .pred p; setp.ne.b32 p, %5, 0; @p ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];}"
               : "+r"(x.x), "+r"(x.y), "+r"(x.z), "+r"(x.w)
               : "l"(from), "r"(static_cast<int>(exists)));
}

__device__ inline uint32_t word(const uint4& x, int i) {
  return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w;
}

/** Of a matrix that has the tile. */
struct TileOf {
  int matrix;
  uint32_t nominal, row0;  // a tile at the end moves up so that all its rows exist

  __device__ TileOf(const FewRows& p, uint32_t tile, int rows) : matrix(0) {
#pragma unroll
    for (int i = 1; i < kMostJoined; i++)
      if (i < p.count && tile >= p.matrices[i - 1].end_tile) matrix = i;
    const uint32_t first = matrix == 0 ? 0 : p.matrices[matrix - 1].end_tile;
    nominal = (tile - first) * rows;
    row0 = min(nominal, p.matrices[matrix].out_features - rows);
  }
};

/** The maxima of four blocks of a row, on their way from memory. */
template <bool kWhole>
struct FourMaxima {
  uint32_t codes = 0;
  float of_maxima[kWhole ? 1 : 4] = {};  // or the maxima themselves

  /** Of the blocks from element `i` on, `columns` of which are in the row. */
  __device__ void fetch(const FewRows& p, const FewRowsMatrix& m, uint32_t i, uint32_t columns) {
    if constexpr (kWhole) {
      codes = __ldg(reinterpret_cast<const uint32_t*>(static_cast<const uint8_t*>(m.stored) + (i >> 6)));
      of_maxima[0] = __ldg(m.nested + (i >> 6 >> p.nested_shift));
    } else {
      codes = 0;
#pragma unroll
      for (int b = 0; b < 4; b++) {
        if (b * 64 >= columns) continue;
        const uint32_t block = (i + b * 64) >> p.shift;
        if (m.map) codes |= static_cast<uint32_t>(static_cast<const uint8_t*>(m.stored)[block]) << (8 * b);
        of_maxima[b] = m.map ? m.nested[block >> p.nested_shift] : static_cast<const float*>(m.stored)[block];
      }
    }
  }

  /** Rounded after the product and after the sum, as bitsandbytes does. */
  __device__ float value(int b, const float* map, float offset, bool nested) const {
    const float factor = of_maxima[kWhole ? 0 : b];
    if (!kWhole && !nested) return factor;
    return __fadd_rn(__fmul_rn(map[codes >> (8 * b) & 255u], factor), offset);
  }
};

/**
 * A group of warps has a tile of W's rows, each warp some of its columns. A lane's sums are those of m16n8k16
 * with W on the left, its order of columns is free: lane = 4 * g + t takes 32 that follow each other of rows
 * g, g + 8 .. With t of 0 and 1 they are of one block, with 2 and 3 of the next. So that sums do not mix
 * blocks, row r of x is the right operand's column 2r for the first block's lanes, with zeros for the others,
 * and column 2r + 1 the other way round.
 */
template <typename Form>
__global__ void __launch_bounds__(Form::kWarps * 32, Form::kWhole ? 1 : 2)
    few_rows_kernel(const __grid_constant__ FewRows p) {
  constexpr int kHalves = Form::kHalves, kTiles = Form::kTiles, kTileRows = Form::kTileRows;
  constexpr int kSumsOfWarp = kTiles * kRowsOfX * kTileRows;
  extern __shared__ __align__(1024) char shared[];
  char* const table = shared;
  float4* const scales = reinterpret_cast<float4*>(shared + Form::kTable);
  float* const sums = reinterpret_cast<float*>(shared + Form::kTable + Form::kScales);
  float* const maps = sums + Form::kSums / sizeof(float);
  __shared__ float offsets[kMostJoined];
  __shared__ uint16_t values[16];
  const int lane = threadIdx.x % 32, warp = __shfl_sync(~0u, threadIdx.x / 32, 0), g = lane / 4, t = lane % 4;
  const int group = warp / p.group, part = warp % p.group;
  const uint32_t first_tile = blockIdx.x + gridDim.x * group,
                 tile_step = gridDim.x * (Form::kWarps / p.group);
  const uint32_t k_step = p.group * kStep, in = p.in_features;

  // Loading runs ahead by one step of columns: its place.
  uint32_t next_tile = first_tile, next_k = 0, next_i = 0;
  const uint8_t* next_codes = nullptr;
  const FewRowsMatrix* next_matrix = nullptr;
  const auto begin_tile = [&] {
    const TileOf tile(p, next_tile, kTileRows);
    next_matrix = &p.matrices[tile.matrix];
    next_k = part * kStep;
    next_codes = next_matrix->codes + ((tile.row0 + g) * in + next_k) / 2 + t * 16;
    next_i = (tile.row0 + lane % kTileRows) * in + next_k;
  };
  const auto advance = [&] {
    if (next_tile >= p.tiles) return;
    next_k += k_step;
    if (next_k < in) {
      next_codes += k_step / 2;
      next_i += k_step;
    } else {
      next_tile += tile_step;
      if (next_tile < p.tiles) begin_tile();
    }
  };
  uint4 codes[2][2 * kHalves];
  const auto load_chunk = [&](int c) {
    if (next_tile >= p.tiles) return;
    const bool exists = Form::kWhole || next_k + c * kChunk + t * 32 < in;
#pragma unroll
    for (int i = 0; i < 2 * kHalves; i++)
      codes[c][i] = exists
                        ? __ldcs(reinterpret_cast<const uint4*>(next_codes + c * (kChunk / 2) + i * (in * 4)))
                        : make_uint4(0, 0, 0, 0);
  };
  FourMaxima<Form::kWhole> maxima;
  const auto load_maxima = [&] {
    if (next_tile < p.tiles && next_k < in) maxima.fetch(p, *next_matrix, next_i, in - next_k);
  };
  if (next_tile < p.tiles) {
    begin_tile();
    // A warp beyond the columns of a narrow matrix has nothing to load.
    if (next_k < in || !Form::kWhole) {
      load_chunk(0);
      load_chunk(1);
      load_maxima();
    }
    advance();
  }

  if (threadIdx.x < 16) values[threadIdx.x] = p.code[threadIdx.x];
  if (threadIdx.x < p.count) {
    const FewRowsMatrix& m = p.matrices[threadIdx.x];
    offsets[threadIdx.x] = m.map ? *m.offset : 0;
  }
  for (int i = threadIdx.x; i < p.count * 256; i += Form::kWarps * 32)
    maps[i] = p.matrices[i / 256].map ? p.matrices[i / 256].map[i % 256] : 0;
  __syncthreads();
  for (int i = threadIdx.x; i < 256 * 8; i += Form::kWarps * 32) {
    const int byte = i / 8;
    const uint32_t pair = values[byte >> 4] | static_cast<uint32_t>(values[byte & 15]) << 16;
    *reinterpret_cast<uint4*>(table + byte * Form::kEntry + i % 8 * 16) = make_uint4(pair, pair, pair, pair);
  }
  __syncthreads();
  wait_for_previous();  // what was read until here no kernel before has written

  const uint32_t lane_offset = lane * 4;
  const bool own_block = t / 2 == g % 2;
  const uint32_t x0 = blockIdx.y * kTiles * kRowsOfX + g / 2;
  const uint4* row_of_x[kTiles];
  bool has_x[kTiles];
  uint4 x[kTiles][Form::kAhead];
#pragma unroll
  for (int u = 0; u < kTiles; u++) {
    has_x[u] = own_block && x0 + u * kRowsOfX < p.rows;
    row_of_x[u] =
        static_cast<const uint4*>(p.x) + (static_cast<int64_t>(x0 + u * kRowsOfX) * in + t * 32) / 8;
#pragma unroll
    for (int j = 0; j < Form::kAhead; j++) x[u][j] = make_uint4(0, 0, 0, 0);
  }
  float4* const own_scales = scales + warp * 64;
  int flip = 0;
  for (uint32_t tile = first_tile; tile < p.tiles; tile += tile_step) {
    const TileOf at(p, tile, kTileRows);
    const FewRowsMatrix& matrix = p.matrices[at.matrix];
    float sum[kHalves][kTiles][2] = {};
    for (uint32_t k = part * kStep; k < in; k += k_step) {
      float4* const now = own_scales + flip * 32;
      flip ^= 1;
      {
        const auto value = [&](int b) {
          return maxima.value(b, maps + at.matrix * 256, offsets[at.matrix], matrix.map != nullptr);
        };
        now[lane] = make_float4(value(0), value(1), value(2), value(3));
        __syncwarp();
      }
      load_maxima();
#pragma unroll
      for (int c = 0; c < 2; c++) {
        const uint32_t column = k + c * kChunk;
        const bool exists = Form::kWhole || column + t * 32 < in;
        const auto load_x = [&](int u, int j) {
          uint4& to = x[u][j % Form::kAhead];
          if (!exists) to = make_uint4(0, 0, 0, 0);
          load_where(to, row_of_x[u] + column / 8 + j, exists && has_x[u]);
        };
        if constexpr (Form::kAhead == 4) {
#pragma unroll
          for (int u = 0; u < kTiles; u++)
#pragma unroll
            for (int j = 0; j < 4; j++) load_x(u, j);
        }
        float block_sum[kHalves][kTiles][4] = {};
#pragma unroll
        for (int j = 0; j < 4; j++) {
          if constexpr (Form::kAhead == 1) {
#pragma unroll
            for (int u = 0; u < kTiles; u++) load_x(u, j);
          }
#pragma unroll
          for (int h = 0; h < kHalves; h++) {
            uint32_t left[4][2];  // [byte][row g or g + 8]
#pragma unroll
            for (int byte = 0; byte < 4; byte++)
#pragma unroll
              for (int half = 0; half < 2; half++) {
                const uint32_t w = word(codes[c][2 * h + half], j);
                // The byte times kEntry, plus the lane's place.
                const uint32_t entry = Form::kEntry == 256 ? __byte_perm(w, lane_offset, 0x5504 | byte << 4)
                                       : byte == 0         ? (w << 7 & 0x7f80u) | lane_offset
                                                           : (w >> (8 * byte - 7) & 0x7f80u) | lane_offset;
                left[byte][half] = *reinterpret_cast<const uint32_t*>(table + entry);
              }
#pragma unroll
            for (int u = 0; u < kTiles; u++) {
              const uint4& right = x[u][j % Form::kAhead];
              const uint32_t pairs[4] = {right.x, right.y, right.z, right.w};
#pragma unroll
              for (int pair = 0; pair < 2; pair++) {
                const uint32_t operand[4] = {left[2 * pair][0], left[2 * pair][1], left[2 * pair + 1][0],
                                             left[2 * pair + 1][1]};
                mma<typename Form::T>(block_sum[h][u], operand, pairs + 2 * pair);
              }
            }
          }
        }
        load_chunk(c);
        const float2* const of_chunk = reinterpret_cast<const float2*>(now + g) + c;
#pragma unroll
        for (int h = 0; h < kHalves; h++) {
          const float2 low = of_chunk[h * 32], high = of_chunk[h * 32 + 16];
#pragma unroll
          for (int u = 0; u < kTiles; u++) {
            sum[h][u][0] += low.x * block_sum[h][u][0] + low.y * block_sum[h][u][1];
            sum[h][u][1] += high.x * block_sum[h][u][2] + high.y * block_sum[h][u][3];
          }
        }
      }
      advance();
    }
    // Two buffers in turn: whoever writes one has passed the barrier after which it was read.
    const int parity = (tile - first_tile) / tile_step % 2;
    float* const of_group = sums + (group * 2 + parity) * p.group * kSumsOfWarp;
#pragma unroll
    for (int u = 0; u < kTiles; u++)
#pragma unroll
      for (int h = 0; h < kHalves; h++) {
        float* const to = of_group + part * kSumsOfWarp + (u * kRowsOfX + t) * kTileRows + h * 16 + g;
        to[0] = sum[h][u][0];
        to[8] = sum[h][u][1];
      }
    asm volatile("bar.sync %0, %1;" ::"r"(1 + group), "r"(p.group * 32) : "memory");
    for (int e = part * 32 + lane; e < kSumsOfWarp; e += p.group * 32) {
      const uint32_t row = at.row0 + e % kTileRows, of_x = blockIdx.y * kTiles * kRowsOfX + e / kTileRows;
      if (row < at.nominal || of_x >= p.rows) continue;
      float total = 0;
      for (int w = 0; w < p.group; w++) total += of_group[w * kSumsOfWarp + e];
      total *= p.alpha;
      const View out(matrix.out, matrix.out_dtype);
      const int64_t i = static_cast<int64_t>(of_x) * matrix.out_features + row;
      if (p.beta != 0.0f) total += p.beta * out.load(i);
      out.store(i, total);
    }
  }
}

}  // namespace qlora::cuda
