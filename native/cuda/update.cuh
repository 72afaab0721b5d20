#pragma once
#include "core/update_rules.h"
#include "cuda/code_search.cuh"
#include "cuda/tensor_table.cuh"

namespace qlora::cuda {

/** The clipping factor, which the kernels read themselves: the host never waits for the norm. */
struct Clip {
  const float* norm;
  float max_norm;

  Clip(const OptionalTensor& n, double most)
      : norm(n ? n->data<float>() : nullptr), max_norm(static_cast<float>(most)) {}
  __device__ float factor() const { return norm ? clip_factor(*norm, max_norm) : 1.0f; }
};

/**
 * rule.update(p, g, m) for every element; m is the one moment, kept in float. Without `moments`, the new m
 * is dropped.
 */
template <typename Rule>
void update_with_moment(const Context& context, const TensorList& params, const TensorList& grads,
                        const TensorList& moments, const Clip& clip, const Rule& rule) {
  const bool has_moments = !moments.empty();
  launch_each_entry<3>(context, {&params, &grads, has_moments ? &moments : &params},
                       [=] __device__(const TensorTable<3>& table, int t, int64_t i, int64_t n) {
                         const View &p_view = table.views[0][t], &m_view = table.views[2][t];
                         const float factor = clip.factor();
                         float p[8], g[8], m[8];
                         p_view.load8(i, n, p);
                         table.views[1][t].load8(i, n, g);
                         m_view.load8(i, n, m);
                         for (int j = 0; j < 8; j++) rule.update(p[j], g[j] * factor, m[j]);
                         p_view.store8(i, n, p);
                         if (has_moments) m_view.store8(i, n, m);
                       });
}

// -- 8-bit state: one warp a block of 256, eight elements a lane ------------------------------------

static_assert(kStateBlock == 32 * 8);

__device__ inline void load_codes(const View& codes, int64_t i, int64_t n, const float* map, float absmax,
                                  float* x) {
  const uint8_t* from = static_cast<const uint8_t*>(codes.data) + i;
  if (codes.aligned && i + 8 <= n) {
    const uint2 packed = *reinterpret_cast<const uint2*>(from);
    for (int j = 0; j < 8; j++)
      x[j] = map[(j < 4 ? packed.x >> (8 * j) : packed.y >> (8 * (j - 4))) & 255] * absmax;
  } else {
    for (int j = 0; j < 8; j++) x[j] = i + j < n ? map[from[j]] * absmax : 0.0f;
  }
}

__device__ inline void store_codes(const View& codes, int64_t i, int64_t n, const uint8_t* code) {
  uint8_t* to = static_cast<uint8_t*>(codes.data) + i;
  if (codes.aligned && i + 8 <= n) {
    uint2 packed{0, 0};
    for (int j = 0; j < 4; j++) {
      packed.x |= static_cast<uint32_t>(code[j]) << (8 * j);
      packed.y |= static_cast<uint32_t>(code[j + 4]) << (8 * j);
    }
    *reinterpret_cast<uint2*>(to) = packed;
  } else {
    for (int j = 0; j < 8; j++)
      if (i + j < n) to[j] = code[j];
  }
}

/** The largest magnitude among the warp's elements, ignoring NaN. */
__device__ inline float warp_absmax(const float* x) {
  float most = 0;
  for (int j = 0; j < 8; j++) most = fmaxf(most, fabsf(x[j]));
  for (int offset = 16; offset > 0; offset /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, offset));
  return most;
}

/** One moment of a block: its codes at [i, i + 8) for this lane, and the block's maximum. */
template <bool Signed>
struct CodedMoment {
  const View &codes, &absmax;
  const float* map;  // in shared memory

  __device__ void load(int64_t i, int64_t n, float* x) const {
    load_codes(codes, i, n, map, static_cast<const float*>(absmax.data)[i / kStateBlock], x);
  }
  /** Called by the whole warp, after its loads. */
  __device__ void store(int64_t i, int64_t n, const float* x) const {
    const float most = warp_absmax(x);
    if (i >= n) return;
    uint8_t code[8];
    for (int j = 0; j < 8; j++) {
      const int found = search_code(map, x[j] / most);
      code[j] = static_cast<uint8_t>(Signed ? keep_sign(map, x[j], found) : found);
    }
    store_codes(codes, i, n, code);
    if (i % kStateBlock == 0) static_cast<float*>(absmax.data)[i / kStateBlock] = most;
  }
};

template <int Count>
struct CodeMaps {
  const float* data[Count];
};

template <int Lists, int Maps, typename F>
__global__ void each_state_block_kernel(const __grid_constant__ TensorTable<Lists> table,
                                        const CodeMaps<Maps> maps, F f) {
  __shared__ float shared_maps[Maps][256];
  static_assert(kThreads == 256);
  for (int map = 0; map < Maps; map++) shared_maps[map][threadIdx.x] = maps.data[map][threadIdx.x];
  __syncthreads();
  const int t = blockIdx.y;
  const int64_t n = table.counts[t];
  const int lane = threadIdx.x % 32;
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8; i - lane * 8 < n;
       i += static_cast<int64_t>(gridDim.x) * kThreads * 8)
    f(table, shared_maps, t, i, n);
}

/**
 * f(table, maps, t, i, n): like launch_each_entry, by whole warps (i may be beyond n) and with code maps in
 * shared memory.
 */
template <int Lists, int Maps, typename F>
void launch_each_state_block(const Context& context, const std::array<const TensorList*, Lists>& lists,
                             const CodeMaps<Maps>& maps, F f) {
  for_tables<Lists>(lists, [&](const TensorTable<Lists>& table, int used, int64_t largest) {
    each_state_block_kernel<Lists, Maps>
        <<<table_grid(used, largest), kThreads, 0, context.stream>>>(table, maps, f);
    check_launch();
  });
}

}  // namespace qlora::cuda
