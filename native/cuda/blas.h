#pragma once
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/dtype.h"
#include "cuda/cublaslt.h"
#include "cuda/gemm_choices.h"
#include "cuda/profiler.h"

namespace qlora::cuda {

/** out [m, n] = alpha * op(a) @ op(b) + beta * out, row-major and dense; a and b of one dtype, out of the
 * same or float32. Of int8 out is int32, alpha 1 and beta 0. */
struct Gemm {
  const void *a, *b;
  void* out;
  bool transpose_a, transpose_b;
  int64_t m, n, k;
  DType operands, result;
  float alpha, beta;
};

/** cuBLASLt, opened at the first product; without it, a machine can still do everything else. */
class Blas {
 public:
  Blas(cudaStream_t stream, Profiler& profiler) : stream_(stream), profiler_(profiler) {}
  /** false: cuBLASLt has no algorithm for a product of int8, and nothing was done. */
  bool run(const Gemm& gemm);
  /** The file that was opened; empty before the first product. */
  const std::string& library() const { return library_; }

 private:
  /** Descriptors and the chosen algorithm of one kind of product; made once. */
  struct Plan {
    lt::Desc desc;
    lt::Layout a, b, out;
    std::optional<lt::Algo> algo;
  };
  using Key = std::tuple<int64_t, int64_t, int64_t, bool, bool, DType, DType, bool, uint32_t>;

  void open();
  void check_status(int status, const char* call, const Gemm& gemm) const;
  Plan make_plan(const Gemm& gemm, const uint32_t alignment[3]);
  /** cuBLASLt's proposals, in its order. */
  std::vector<lt::Heuristic> propose(const Gemm& gemm, const Plan& plan, const uint32_t alignment[3]) const;
  std::optional<lt::Algo> choose(const Gemm& gemm, const Plan& plan, const uint32_t alignment[3]);
  bool is_captured() const;
  /** The fastest of the proposals for this product, measured with scratch memory as output. */
  lt::Algo fastest(const Gemm& gemm, const Plan& plan, const std::vector<lt::Heuristic>& proposals);
  int launch(const Gemm& gemm, const Plan& plan, const lt::Algo& algo, void* out) const;

  const cudaStream_t stream_;
  Profiler& profiler_;
  std::string library_;
  lt::Functions lt_{};
  lt::Handle handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<Key, Plan> plans_;
  GemmChoices choices_;
};

}  // namespace qlora::cuda
