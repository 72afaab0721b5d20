#pragma once
#include "cuda/attention.cuh"
#include "cuda/mma.cuh"

// Tensor-core tiles (mma.m16n8k16, sm_80 and later). A warp holds 16 rows of an accumulator; lane 4 * g + t
// has the elements of rows g and g + 8 in columns 2t and 2t + 1 of every 8.
namespace qlora::cuda {

constexpr int kRows = 64;         // of a tile of queries or keys
constexpr int kMmaThreads = 128;  // 4 warps, 16 rows each

__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

__device__ inline void ldmatrix(uint32_t* r, const void* p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(p)));
}
__device__ inline void ldmatrix_transposed(uint32_t* r, const void* p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(p)));
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
// Without asynchronous copies: copies at once.
__device__ inline void copy_16(void* to, const void* from, bool exists) {
  *static_cast<uint4*>(to) = exists ? *static_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
}
__device__ inline void copy_word(float* to, const float* from, bool exists) { *to = exists ? *from : 0.0f; }
__device__ inline void copies_commit() {}
__device__ inline void copies_wait() {}
#else
/** Starts copying 16 bytes, or zeros. */
__device__ inline void copy_16(void* to, const void* from, bool exists) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(exists ? 16 : 0));
}
/** Starts copying one 4-byte word, or a zero. */
__device__ inline void copy_word(float* to, const float* from, bool exists) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(exists ? 4 : 0));
}
__device__ inline void copies_commit() { asm volatile("cp.async.commit_group;"); }
__device__ inline void copies_wait() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }
#endif

/**
 * A tile of kRows rows with up to D columns in shared memory; 16 bytes of padding avoid bank conflicts in
 * ldmatrix.
 */
template <typename T, int D>
struct Tile {
  static constexpr int kStride = D + 8;
  static constexpr int kElements = kRows * kStride;
  T* data;

  /**
   * Starts copying `valid` rows; further rows and columns become zero. The number of columns is a multiple
   * of 8.
   */
  __device__ void load(const T* from, int valid, int64_t stride, int columns) const {
    constexpr int kChunks = D / 8;
    for (int i = threadIdx.x; i < kRows * kChunks; i += kMmaThreads) {
      const int row = i / kChunks, column = i % kChunks * 8;
      const bool exists = row < valid && column < columns;
      const T* source = exists ? from + row * stride + column : from;
      copy_16(data + row * kStride + column, source, exists);
    }
  }
  /** Rows [row, row + 16), columns [column, column + 16) as the left factor. */
  __device__ void left(uint32_t* a, int row, int column) const {
    const int lane = threadIdx.x % 32;
    ldmatrix(a, data + (row + lane % 16) * kStride + column + lane / 16 * 8);
  }
  /** The same 16 x 16 values, transposed, as two right factors of 8 columns (the tile's rows) each. */
  __device__ void right_transposed(uint32_t* b, int row, int column) const {
    const int lane = threadIdx.x % 32;
    ldmatrix(b, data + (row + lane % 8 + lane / 16 * 8) * kStride + column + lane / 8 % 2 * 8);
  }
  /** The same 16 x 16 values as two right factors of 8 of the tile's columns each. */
  __device__ void right(uint32_t* b, int row, int column) const {
    const int lane = threadIdx.x % 32;
    ldmatrix_transposed(b, data + (row + lane % 8 + lane / 8 % 2 * 8) * kStride + column + lane / 16 * 8);
  }
};

/** 16 rows of a tile as left factors, kept in registers over a loop. */
template <typename T, int D>
struct LeftRows {
  uint32_t a[D / 16][4];

  __device__ void read(const Tile<T, D>& tile, int row) {
#pragma unroll
    for (int d = 0; d < D; d += 16) tile.left(a[d / 16], row, d);
  }
  /** acc [16, 16] = these rows x rows [row, row + 16) of the tile, over D: two accumulators of 8 columns. */
  __device__ void scores(float (*acc)[4], const Tile<T, D>& tile, int row) const {
#pragma unroll
    for (int n = 0; n < 2; n++)
      for (int j = 0; j < 4; j++) acc[n][j] = 0;
#pragma unroll
    for (int d = 0; d < D; d += 16) {
      uint32_t b[4];
      tile.right_transposed(b, row, d);
      mma<T>(acc[0], a[d / 16], b);
      mma<T>(acc[1], a[d / 16], b + 2);
    }
  }
};

/** The 16 x 16 accumulator as a left factor. */
template <typename T>
__device__ inline void as_left(uint32_t* a, const float (*acc)[4]) {
  a[0] = Pair<T>::pack(acc[0][0], acc[0][1]);
  a[1] = Pair<T>::pack(acc[0][2], acc[0][3]);
  a[2] = Pair<T>::pack(acc[1][0], acc[1][1]);
  a[3] = Pair<T>::pack(acc[1][2], acc[1][3]);
}

/** sum [16, D] += a [16, 16] x the tile's rows [row, row + 16) */
template <typename T, int D>
__device__ inline void accumulate(float (*sum)[4], const uint32_t* a, const Tile<T, D>& tile, int row) {
#pragma unroll
  for (int d = 0; d < D; d += 16) {
    uint32_t b[4];
    tile.right(b, row, d);
    mma<T>(sum[d / 8], a, b);
    mma<T>(sum[d / 8 + 1], a, b + 2);
  }
}

/**
 * Whether the tensor-core kernels support these tensors (16-bit, one dtype, 16-byte aligned, heads of up to
 * 128), and the GPU has enough shared memory per block for `tiles` and a few numbers per row.
 */
inline bool fits_mma(const Gpu& gpu, std::initializer_list<const Tensor*> tensors, int64_t head_dim,
                     int tiles) {
  const DType dtype = (*tensors.begin())->dtype;
  const size_t row =
      (head_dim <= 64 ? Tile<__half, 64>::kStride : Tile<__half, 128>::kStride) * sizeof(__half);
  bool fits = head_dim <= 128 && has_mma(gpu.capability, dtype) &&
              kRows * (tiles * row + 4 * sizeof(float)) <= gpu.shared_bytes;
  for (const Tensor* t : tensors) fits = fits && t->dtype == dtype && View(*t).aligned;
  return fits;
}

/** run(Tag<element>, std::integral_constant<int, D>) for the instance that fits head_dim. */
template <typename Run>
void with_instance(DType dtype, int64_t head_dim, Run run) {
  const auto with_size = [&](auto tag) {
    if (head_dim <= 64) return run(tag, std::integral_constant<int, 64>{});
    return run(tag, std::integral_constant<int, 128>{});
  };
  if (dtype == DType::bf16) return with_size(Tag<__nv_bfloat16>{});
  return with_size(Tag<__half>{});
}

}  // namespace qlora::cuda
