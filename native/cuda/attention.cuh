#pragma once
#include "cuda/launch.cuh"

// What the attention kernels share: the sequence and rows of a block, and the keys that a query sees.
namespace qlora::cuda {

constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

/** A score after the soft cap; `cap` in the score's unit, 0 = none. */
__device__ inline float capped(float score, float cap) { return cap > 0 ? cap * tanhf(score / cap) : score; }

/** Rows of one sequence in q and in k. */
struct Sequence {
  int64_t q_begin, k_begin;
  int queries, keys;

  /** Keys [first_key, end_key) of a query. */
  __device__ int end_key(int query) const { return max(0, query + 1 + keys - queries); }
  __device__ int first_key(int query, int window) const {
    return window > 0 ? max(0, end_key(query) - window) : 0;
  }
};

/**
 * Enough blocks for the tiles of `rows` rows of every sequence, whatever the lengths, which the host does
 * not know.
 */
inline unsigned tile_bound(int64_t tokens, int64_t sequences, int rows) {
  return static_cast<unsigned>((tokens + rows - 1) / rows + sequences);
}

/**
 * The sequence and first row of a tile; false after the last tile. A sequence's last tiles come first,
 * since they see the most keys.
 */
__device__ inline bool find_tile(const int32_t* cu_q, const int32_t* cu_k, int sequences, bool of_keys,
                                 int rows, int tile, Sequence& s, int& first) {
  for (int i = 0; i < sequences; i++) {
    s = {cu_q[i], cu_k[i], cu_q[i + 1] - cu_q[i], cu_k[i + 1] - cu_k[i]};
    const int tiles = ((of_keys ? s.keys : s.queries) + rows - 1) / rows;
    if (tile < tiles) {
      first = (of_keys ? tile : tiles - 1 - tile) * rows;
      return true;
    }
    tile -= tiles;
  }
  return false;
}

/**
 * Records a fault unless cu starts at 0, never decreases, ends at `tokens`, and has no sequence longer than
 * max_length (0: no limit). Called by all threads of one block; returns true in each if there is a fault.
 */
__device__ inline bool find_cu_fault(const int32_t* cu, int sequences, int64_t tokens, int64_t max_length,
                                     Fault* fault) {
  bool bad = false;
  const auto blame = [&](FaultKind kind, int64_t index, int32_t value, int64_t limit) {
    raise(fault, kind, index, value, limit);
    bad = true;
  };
  if (threadIdx.x == 0) {
    if (cu[0] != 0) blame(FaultKind::cu_start, 0, cu[0], 0);
    if (cu[sequences] != tokens) blame(FaultKind::cu_end, sequences, cu[sequences], tokens);
  }
  for (int i = threadIdx.x; i < sequences; i += blockDim.x) {
    const int32_t length = cu[i + 1] - cu[i];
    if (length < 0) blame(FaultKind::cu_order, i + 1, cu[i + 1], cu[i]);
    if (max_length > 0 && length > max_length) blame(FaultKind::cu_length, i, length, max_length);
  }
  return __syncthreads_or(bad || fault->kind != FaultKind::none);
}

static __global__ void check_cu_kernel(const int32_t* cu, int sequences, int64_t tokens, int64_t max_length,
                                       Fault* fault) {
  find_cu_fault(cu, sequences, tokens, max_length, fault);
}

/** Attention kernels rely on cu_seqlens; after a fault they do nothing. */
__device__ inline bool faulty(const Fault* fault) { return fault->kind != FaultKind::none; }

inline void check_cu(const Context& context, const Tensor& cu, int64_t tokens, int64_t max_length) {
  check_cu_kernel<<<1, kThreads, 0, context.stream>>>(cu.data<int32_t>(), static_cast<int>(cu.numel() - 1),
                                                      tokens, max_length, context.fault);
  check_launch();
}

/** Sets the kernel's dynamic shared memory above the default of 48 KB. */
template <typename Kernel>
void allow_shared(Kernel kernel, size_t bytes) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
        "shared memory");
}

}  // namespace qlora::cuda
