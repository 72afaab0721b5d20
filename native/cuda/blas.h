#pragma once
#include <map>
#include <string>
#include <tuple>

#include "core/dtype.h"
#include "cuda/cublaslt.h"

namespace qlora::cuda {

/** out [m, n] = alpha * op(a) @ op(b) + beta * out, row-major and dense; a and b of one dtype, out of the
 * same or float32. */
struct Gemm {
  const void *a, *b;
  void* out;
  bool transpose_a, transpose_b;
  int64_t m, n, k;
  DType operands, result;
  float alpha, beta;
};

/** cuBLASLt, opened at run time and at the first product: a machine without it can do everything else. */
class Blas {
 public:
  explicit Blas(cudaStream_t stream) : stream_(stream) {}
  void run(const Gemm& gemm);
  /** The file that was opened; empty before the first product. */
  const std::string& library() const { return library_; }

 private:
  /** Descriptors and the chosen algorithm of one kind of product, made once. */
  struct Plan {
    lt::Desc desc;
    lt::Layout a, b, out;
    lt::Algo algo;
    size_t workspace;
  };
  using Key = std::tuple<int64_t, int64_t, int64_t, bool, bool, DType, DType, uint32_t>;

  void open();
  void check_status(int status, const char* call, const Gemm& gemm) const;
  Plan make_plan(const Gemm& gemm, const uint32_t alignment[3]) const;

  const cudaStream_t stream_;
  std::string library_;
  lt::Functions lt_{};
  lt::Handle handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<Key, Plan> plans_;
};

}  // namespace qlora::cuda
