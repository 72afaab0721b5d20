#include "cuda/blas.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "cuda/error.h"
#include "cuda/library.h"

namespace qlora::cuda {

namespace {

constexpr size_t kWorkspace = size_t{32} << 20;  // NVIDIA's recommendation for Hopper
constexpr int kProposals = 12, kFinalists = 3;
constexpr float kFinalMicros =
    4000;  // short measurements mislead: some winners over 3 calls are slower over milliseconds
constexpr int64_t kWorthTuning = int64_t{1} << 24;

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return CUDA_R_32F;
    case DType::bf16:
      return CUDA_R_16BF;
    case DType::f16:
      return CUDA_R_16F;
    case DType::i8:
      return CUDA_R_8I;
    case DType::i32:
      return CUDA_R_32I;
    default:
      fail("[matmul] expected a float dtype, got ", name_of(dtype));
  }
}

/**
 * Sizes that share an algorithm. Token counts differ from batch to batch: they are rounded up to two
 * leading bits. Round numbers occur often and have their own class, since a neighbour's algorithm can be a
 * tenth slower.
 */
std::string size_class(int64_t size) {
  if (size % 256 == 0) return std::to_string(size);
  int64_t step = 1;
  while (size > 4 * step) step *= 2;
  return "~" + std::to_string((size + step - 1) / step * step);
}

std::string kind_of(const Gemm& g, const uint32_t alignment[3]) {
  std::string kind = g.transpose_a ? "T" : "N";
  kind += g.transpose_b ? "T" : "N";
  for (const int64_t size : {g.m, g.n, g.k}) kind += "," + size_class(size);
  kind +=
      std::string(",") + name_of(g.operands) + "," + name_of(g.result) + (g.beta != 0.0f ? ",add" : ",set");
  for (int i = 0; i < 3; i++) kind += "," + std::to_string(std::min<uint32_t>(alignment[i], 16));
  return kind;
}

/** QLORA_GEMM_TUNING=0 uses cuBLASLt's first proposal, which gives the same bits on every machine of a kind.
 */
bool tunes() {
  const char* value = std::getenv("QLORA_GEMM_TUNING");
  return !value || std::string(value) != "0";
}

/** Device time between two points of a stream. */
class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&begin_), "[matmul] timing");
    check(cudaEventCreate(&end_), "[matmul] timing");
  }
  ~Stopwatch() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  void start() { cudaEventRecord(begin_, stream_); }
  /** Microseconds since start. */
  float stop() {
    cudaEventRecord(end_, stream_);
    float milliseconds = 0;
    check(cudaEventSynchronize(end_), "[matmul] timing");
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "[matmul] timing");
    return milliseconds * 1000;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

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
  LOAD(cublasLtMatmulAlgoCheck);
  LOAD(cublasLtMatmul);
#undef LOAD
  const int status = lt_.cublasLtCreate(&handle_);
  if (status != 0) fail("[matmul] ", library.path, ": cublasLtCreate: ", lt_.cublasLtGetStatusString(status));
  check(cudaMalloc(&workspace_, kWorkspace), "[matmul] cuBLASLt's workspace");
  library_ = library.path + " " + std::to_string(lt_.cublasLtGetVersion());
  int device = 0;
  cudaDeviceProp properties{};
  check(cudaGetDevice(&device), "[matmul]");
  check(cudaGetDeviceProperties(&properties, device), "[matmul]");
  choices_.open(properties.name, lt_.cublasLtGetVersion());
}

void Blas::check_status(int status, const char* call, const Gemm& g) const {
  if (status == 0) return;
  fail("[matmul] ", call, " for m=", g.m, " n=", g.n, " k=", g.k, " ", name_of(g.operands), " -> ",
       name_of(g.result), ": ", lt_.cublasLtGetStatusString(status));
}

/** cuBLASLt is column-major: it computes out^T [n, m] = op(b)^T op(a)^T, so its A is our b. */
Blas::Plan Blas::make_plan(const Gemm& g, const uint32_t alignment[3]) {
  Plan plan{};
  const auto ok = [&](int status, const char* call) { check_status(status, call, g); };
  const cudaDataType_t in = type_of(g.operands), out = type_of(g.result);
  const bool is_int8 = g.operands == DType::i8;
  ok(lt_.cublasLtMatmulDescCreate(&plan.desc, is_int8 ? lt::kCompute32I : lt::kCompute32F,
                                  is_int8 ? CUDA_R_32I : CUDA_R_32F),
     "cublasLtMatmulDescCreate");
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
  plan.algo = choose(g, plan, alignment);
  return plan;
}

std::vector<lt::Heuristic> Blas::propose(const Gemm& g, const Plan& plan, const uint32_t alignment[3]) const {
  const auto ok = [&](int status, const char* call) { check_status(status, call, g); };
  lt::Preference preference;
  ok(lt_.cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  const auto prefer = [&](int attribute, const void* value, size_t size) {
    ok(lt_.cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, size),
       "cublasLtMatmulPreferenceSetAttribute");
  };
  prefer(lt::kPreferenceWorkspace, &kWorkspace, sizeof kWorkspace);
  // Partial sums are added in float32: adding them in the output's dtype would round twice.
  prefer(lt::kPreferenceReductions, &lt::kReductionInCompute, sizeof lt::kReductionInCompute);
  prefer(lt::kPreferenceAlignmentA, &alignment[1], sizeof alignment[1]);
  prefer(lt::kPreferenceAlignmentB, &alignment[0], sizeof alignment[0]);
  prefer(lt::kPreferenceAlignmentC, &alignment[2], sizeof alignment[2]);
  prefer(lt::kPreferenceAlignmentD, &alignment[2], sizeof alignment[2]);
  std::vector<lt::Heuristic> proposals(kProposals);
  int found = 0;
  const int status =
      lt_.cublasLtMatmulAlgoGetHeuristic(handle_, plan.desc, plan.b, plan.a, plan.out, plan.out, preference,
                                         kProposals, proposals.data(), &found);
  lt_.cublasLtMatmulPreferenceDestroy(preference);
  if (g.operands == DType::i8 && (status != 0 || found == 0)) return {};
  ok(status, "cublasLtMatmulAlgoGetHeuristic");
  if (found == 0)
    fail("[matmul] cuBLASLt has no algorithm for m=", g.m, " n=", g.n, " k=", g.k, " ", name_of(g.operands));
  proposals.resize(found);
  return proposals;
}

std::optional<lt::Algo> Blas::choose(const Gemm& g, const Plan& plan, const uint32_t alignment[3]) {
  const std::string kind = kind_of(g, alignment);
  lt::Heuristic checked{};
  const lt::Algo* known = tunes() ? choices_.find(kind) : nullptr;
  if (known)
    if (lt_.cublasLtMatmulAlgoCheck(handle_, plan.desc, plan.b, plan.a, plan.out, plan.out, known,
                                    &checked) == 0 &&
        checked.workspace <= kWorkspace)
      return *known;
  const std::vector<lt::Heuristic> proposals = propose(g, plan, alignment);
  if (proposals.empty()) return std::nullopt;
  if (proposals.size() == 1 || !tunes() || g.m * g.n * g.k < kWorthTuning || is_captured())
    return proposals[0].algo;
  const lt::Algo algo = fastest(g, plan, proposals);
  choices_.add(kind, algo);
  return algo;
}

/** While operations are captured in a graph, a stream does not run anything that could be timed. */
bool Blas::is_captured() const {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream_, &status), "[matmul]");
  return status != cudaStreamCaptureStatusNone;
}

lt::Algo Blas::fastest(const Gemm& g, const Plan& plan, const std::vector<lt::Heuristic>& proposals) {
  const size_t bytes = static_cast<size_t>(g.m * g.n) * size_of(g.result);
  void* out = nullptr;
  if (g.beta == 0.0f) {
    out = g.out;  // is overwritten by the actual product
  } else if (cudaMalloc(&out, bytes) != cudaSuccess) {
    cudaGetLastError();
    return proposals[0].algo;
  }
  Stopwatch watch(stream_);
  // Microseconds of one call; infinite if an algorithm fails.
  const auto time = [&](const lt::Algo& algo, int calls) {
    if (launch(g, plan, algo, out) != 0) return INFINITY;
    watch.start();
    for (int i = 0; i < calls; i++) launch(g, plan, algo, out);
    return watch.stop() / static_cast<float>(calls);
  };
  std::vector<std::pair<float, size_t>> ranking;
  for (size_t i = 0; i < proposals.size(); i++) ranking.push_back({time(proposals[i].algo, 3), i});
  std::sort(ranking.begin(), ranking.end());
  ranking.resize(std::min<size_t>(ranking.size(), kFinalists));
  for (auto& [micros, i] : ranking)
    micros = time(proposals[i].algo, std::clamp(static_cast<int>(kFinalMicros / micros), 5, 200));
  std::sort(ranking.begin(), ranking.end());
  if (out != g.out) cudaFree(out);
  return proposals[ranking[0].second].algo;
}

int Blas::launch(const Gemm& g, const Plan& plan, const lt::Algo& algo, void* out) const {
  const int32_t one = 1, zero = 0;  // scales of int8 products are integers
  const bool is_int8 = g.operands == DType::i8;
  const void* alpha = is_int8 ? static_cast<const void*>(&one) : &g.alpha;
  const void* beta = is_int8 ? static_cast<const void*>(&zero) : &g.beta;
  return lt_.cublasLtMatmul(handle_, plan.desc, alpha, g.b, plan.b, g.a, plan.a, beta, out, plan.out, out,
                            plan.out, &algo, workspace_, kWorkspace, stream_);
}

bool Blas::run(const Gemm& g) {
  if (!handle_) open();
  if (profiler_.on()) {
    profiler_.detail(std::string(g.transpose_a ? "T" : "N") + (g.transpose_b ? "T " : "N ") +
                     std::to_string(g.m) + "x" + std::to_string(g.n) + "x" + std::to_string(g.k) +
                     (g.beta != 0.0f ? " add" : ""));
  }
  const uint32_t alignment[3] = {alignment_of(g.a), alignment_of(g.b), alignment_of(g.out)};
  const Key key{g.m,
                g.n,
                g.k,
                g.transpose_a,
                g.transpose_b,
                g.operands,
                g.result,
                g.beta != 0.0f,
                alignment[0] << 20 | alignment[1] << 10 | alignment[2]};
  auto found = plans_.find(key);
  if (found == plans_.end()) found = plans_.emplace(key, make_plan(g, alignment)).first;
  const Plan& plan = found->second;
  if (!plan.algo) return false;
  check_status(launch(g, plan, *plan.algo, g.out), "cublasLtMatmul", g);
  return true;
}

}  // namespace qlora::cuda
