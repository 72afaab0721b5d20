#include "core/check/checks.h"
#include "core/check/require.h"

namespace qlora {

namespace {

constexpr int64_t kWord = int64_t{1} << 32;

void require_word(const char* op, const char* what, int64_t value) {
  if (value < 0 || value >= kWord) fail("[", op, "] ", what, ": expected 0 to 2^32 - 1, got ", value);
}

/** The counter's words have 32 bits; each count gives four elements. */
void require_counters(const char* op, const Tensor& out, int64_t stream) {
  require_float(op, "out", out);
  require_word(op, "stream", stream);
  require(op, out.numel() <= 4 * kWord, "out: more than 2^34 elements");
}

}  // namespace

void Checks::random_uniform(const Tensor& out, double low, double high, int64_t seed, int64_t stream) {
  require_counters("random_uniform", out, stream);
  if (!(low <= high)) fail("[random_uniform] expected low <= high, got ", low, " and ", high);
}

void Checks::random_normal(const Tensor& out, double mean, double std, int64_t seed, int64_t stream) {
  require_counters("random_normal", out, stream);
  if (!(std >= 0)) fail("[random_normal] std: expected 0 or more, got ", std);
}

void Checks::dropout(const Tensor& x, const Tensor& out, double p, int64_t seed, int64_t stream,
                     int64_t substream) {
  require_float("dropout", "x", x);
  require_counters("dropout", out, stream);
  require_word("dropout", "substream", substream);
  require_shape("dropout", "out", out, x.shape);
  if (!(p >= 0 && p < 1)) fail("[dropout] p: expected 0 <= p < 1, got ", p);
}

}  // namespace qlora
