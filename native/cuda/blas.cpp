#include "cuda/blas.h"

#include <algorithm>

#include "cuda/error.h"
#include "cuda/library.h"

namespace qlora::cuda {

namespace {

constexpr size_t kWorkspace = size_t{32} << 20;  // NVIDIA's advice for Hopper

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return CUDA_R_32F;
    case DType::bf16:
      return CUDA_R_16BF;
    case DType::f16:
      return CUDA_R_16F;
    default:
      fail("[matmul] expected a float dtype, got ", name_of(dtype));
  }
}

/** The largest power of two up to 256 that divides the address. */
uint32_t alignment_of(const void* p) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(p) | 256;
  return static_cast<uint32_t>(address & (~address + 1));
}

}  // namespace

void Blas::open() {
  Library library =
      open_library({"libcublasLt.so.13", "libcublasLt.so.12"}, "QLORA_CUBLASLT", {"cu13", "cublas"});
#define LOAD(name) lt_.name = reinterpret_cast<decltype(lt_.name)>(library.symbol(#name))
  LOAD(cublasLtCreate);
  LOAD(cublasLtGetVersion);
  LOAD(cublasLtGetStatusString);
  LOAD(cublasLtMatmulDescCreate);
  LOAD(cublasLtMatmulDescSetAttribute);
  LOAD(cublasLtMatrixLayoutCreate);
  LOAD(cublasLtMatmulPreferenceCreate);
  LOAD(cublasLtMatmulPreferenceSetAttribute);
  LOAD(cublasLtMatmulPreferenceDestroy);
  LOAD(cublasLtMatmulAlgoGetHeuristic);
  LOAD(cublasLtMatmul);
#undef LOAD
  const int status = lt_.cublasLtCreate(&handle_);
  if (status != 0) fail("[matmul] ", library.path, ": cublasLtCreate: ", lt_.cublasLtGetStatusString(status));
  check(cudaMalloc(&workspace_, kWorkspace), "[matmul] cuBLASLt's workspace");
  library_ = library.path + " " + std::to_string(lt_.cublasLtGetVersion());
}

void Blas::check_status(int status, const char* call, const Gemm& g) const {
  if (status == 0) return;
  fail("[matmul] ", call, " for m=", g.m, " n=", g.n, " k=", g.k, " ", name_of(g.operands), " -> ",
       name_of(g.result), ": ", lt_.cublasLtGetStatusString(status));
}

/** Column-major cuBLASLt computes out^T [n, m] = op(b)^T op(a)^T, so its A is our b. */
Blas::Plan Blas::make_plan(const Gemm& g, const uint32_t alignment[3]) const {
  Plan plan{};
  const auto ok = [&](int status, const char* call) { check_status(status, call, g); };
  const cudaDataType_t in = type_of(g.operands), out = type_of(g.result);
  ok(lt_.cublasLtMatmulDescCreate(&plan.desc, lt::kCompute32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
  const int op_a = g.transpose_b ? lt::kOpT : lt::kOpN, op_b = g.transpose_a ? lt::kOpT : lt::kOpN;
  ok(lt_.cublasLtMatmulDescSetAttribute(plan.desc, lt::kDescTransA, &op_a, sizeof op_a),
     "cublasLtMatmulDescSetAttribute");
  ok(lt_.cublasLtMatmulDescSetAttribute(plan.desc, lt::kDescTransB, &op_b, sizeof op_b),
     "cublasLtMatmulDescSetAttribute");
  const int64_t b_rows = g.transpose_b ? g.k : g.n, b_cols = g.transpose_b ? g.n : g.k;
  const int64_t a_rows = g.transpose_a ? g.m : g.k, a_cols = g.transpose_a ? g.k : g.m;
  ok(lt_.cublasLtMatrixLayoutCreate(&plan.b, in, b_rows, b_cols, b_rows), "cublasLtMatrixLayoutCreate");
  ok(lt_.cublasLtMatrixLayoutCreate(&plan.a, in, a_rows, a_cols, a_rows), "cublasLtMatrixLayoutCreate");
  ok(lt_.cublasLtMatrixLayoutCreate(&plan.out, out, g.n, g.m, g.n), "cublasLtMatrixLayoutCreate");

  lt::Preference preference;
  ok(lt_.cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  const auto prefer = [&](int attribute, const void* value, size_t size) {
    ok(lt_.cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, size),
       "cublasLtMatmulPreferenceSetAttribute");
  };
  prefer(lt::kPreferenceWorkspace, &kWorkspace, sizeof kWorkspace);
  // Split sums are added in float32: adding them in the output's dtype would round twice.
  prefer(lt::kPreferenceReductions, &lt::kReductionInCompute, sizeof lt::kReductionInCompute);
  prefer(lt::kPreferenceAlignmentA, &alignment[1], sizeof alignment[1]);
  prefer(lt::kPreferenceAlignmentB, &alignment[0], sizeof alignment[0]);
  prefer(lt::kPreferenceAlignmentC, &alignment[2], sizeof alignment[2]);
  prefer(lt::kPreferenceAlignmentD, &alignment[2], sizeof alignment[2]);
  lt::Heuristic best{};
  int found = 0;
  ok(lt_.cublasLtMatmulAlgoGetHeuristic(handle_, plan.desc, plan.b, plan.a, plan.out, plan.out, preference, 1,
                                        &best, &found),
     "cublasLtMatmulAlgoGetHeuristic");
  lt_.cublasLtMatmulPreferenceDestroy(preference);
  if (found == 0)
    fail("[matmul] cuBLASLt has no algorithm for m=", g.m, " n=", g.n, " k=", g.k, " ", name_of(g.operands));
  plan.algo = best.algo;
  plan.workspace = best.workspace;
  return plan;
}

void Blas::run(const Gemm& g) {
  if (!handle_) open();
  const uint32_t alignment[3] = {alignment_of(g.a), alignment_of(g.b), alignment_of(g.out)};
  const Key key{g.m,           g.n,        g.k,      g.transpose_a,
                g.transpose_b, g.operands, g.result, alignment[0] << 20 | alignment[1] << 10 | alignment[2]};
  auto found = plans_.find(key);
  if (found == plans_.end()) found = plans_.emplace(key, make_plan(g, alignment)).first;
  const Plan& plan = found->second;
  check_status(lt_.cublasLtMatmul(handle_, plan.desc, &g.alpha, g.b, plan.b, g.a, plan.a, &g.beta, g.out,
                                  plan.out, g.out, plan.out, &plan.algo, workspace_, kWorkspace, stream_),
               "cublasLtMatmul", g);
}

}  // namespace qlora::cuda
