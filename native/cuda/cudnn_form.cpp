#include "cuda/cudnn_form.h"

#include <algorithm>

// Selects the plan for a call. Building a plan takes 60 to 200 ms, so lengths are rounded up to share
// plans.
namespace qlora::cuda {

namespace {

/** With a larger workspace, the heads run in several parts, one after another. */
constexpr int64_t kWorkspace = int64_t{256} << 20;
/** With a larger workspace, our own kernels are used, which need almost none. */
constexpr int64_t kMostWorkspace = int64_t{1} << 30;
/**
 * Sequences of one length that is a multiple of this have a plan of that length: dense plans are a tenth
 * faster.
 */
constexpr int64_t kDenseStep = 128;
/** From this length on, any length has a dense plan, which needs less workspace. */
constexpr int64_t kLong = 16384;

int64_t doubled(int64_t start, int64_t n) {
  while (start < n) start *= 2;
  return start;
}

/**
 * Three times a power of two: room for 2, 4, 8 .. sequences and at least one more to fill up the batch.
 * Empty sequences cost next to nothing, and neither does a larger maximum length.
 */
int64_t sequence_bucket(int64_t n) { return doubled(3, n); }
int64_t length_bucket(int64_t n) { return doubled(512, n); }
/** A power of two while the workspace, which grows with it, is small; then quarters of a power of two. */
int64_t token_bucket(int64_t n) {
  if (n <= 4096) return doubled(512, n);
  const int64_t step = doubled(1, n + 1) / 8;
  return (n + step - 1) / step * step;
}

/** Runs fewer heads at a time until the workspace is moderate, except where it has rows of all heads anyway.
 */
AttentionForm split(const AttentionForm& whole) {
  if (whole.ragged()) return whole;
  const int64_t group = whole.heads / whole.kv_heads;
  AttentionForm part = whole;
  for (int64_t runs = 1; runs <= whole.kv_heads; runs++) {
    if (whole.kv_heads % runs != 0) continue;
    part.kv_heads = whole.kv_heads / runs;
    part.heads = part.kv_heads * group;
    if (expected_workspace(part) <= kWorkspace) break;
  }
  return part;
}

bool suits(const AttentionCall& c) {
  const int64_t head_dim = c.q.cols() / c.heads;
  // Only our own kernels support a soft cap.
  bool fits = c.softcap == 0 && (head_dim == 64 || head_dim == 128) && c.tokens() > 1 && c.sequences() > 0 &&
              (c.q.dtype == DType::bf16 || c.q.dtype == DType::f16);
  for (const Tensor* t : {&c.q, &c.k, &c.v, &c.out, c.dout, c.dq, c.dk, c.dv})
    if (fits && t) fits = t->dtype == c.q.dtype;
  return fits;
}

}  // namespace

int64_t expected_workspace(const AttentionForm& f) {
  if (!f.backward) return 0;
  const int64_t rows = f.ragged() ? f.total : f.batch * f.length;
  const int64_t sums = rows * f.q_row * 4;  // ragged: with the row's stride
  const int64_t own = f.ragged() ? sums : rows * f.heads * f.head_dim * 4;
  // dK and dV of every query head, before a group's are added
  const int64_t grouped = f.heads == f.kv_heads ? 0 : f.ragged() ? 2 * own : own;
  const int64_t scores = f.batch * f.heads * f.length * f.length * 2;  // all of dS in 16 bits
  return (f.deterministic ? scores : own) + grouped;
}

std::optional<AttentionForm> form_of(const AttentionCall& c) {
  if (!suits(c)) return std::nullopt;
  AttentionForm f{};
  f.backward = c.backward();
  f.deterministic = f.backward && c.deterministic;
  f.dtype = c.q.dtype;
  f.heads = c.heads;
  f.kv_heads = c.kv_heads;
  f.head_dim = c.q.cols() / c.heads;
  f.q_row = c.q.cols();
  f.k_row = c.k.cols();
  f.window = c.window;
  f.scale = static_cast<float>(c.scale);
  const int64_t tokens = c.tokens(), sequences = c.sequences();
  const int64_t longest = c.max_length > 0 ? std::min(tokens, c.max_length) : tokens;
  f.batch = sequences;
  f.length = longest;
  const bool equal = longest * sequences == tokens;
  if (!equal || (longest % kDenseStep != 0 && longest < kLong)) {
    f.batch = sequence_bucket(sequences);
    f.length = length_bucket(longest);
    f.total = f.backward ? token_bucket(tokens) : 1;  // forward has no workspace to bound
  }
  if (f.window >= f.length) f.window = 0;
  const AttentionForm part = split(f);
  return expected_workspace(part) <= kMostWorkspace ? std::optional(part) : std::nullopt;
}

}  // namespace qlora::cuda
