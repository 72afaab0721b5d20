#include "core/check/checks.h"
#include "core/check/require.h"

namespace qlora {

namespace {

void check_heads(const char* op, const Tensor& q, const Tensor& k, int64_t heads, int64_t kv_heads,
                 double scale, int64_t window, double softcap, int64_t max_length) {
  require_rank(op, "q", q, 2);
  require_rank(op, "k", k, 2);
  if (heads < 1 || kv_heads < 1 || heads % kv_heads != 0) {
    fail("[", op, "] heads must be a positive multiple of kv_heads, got ", heads, " and ", kv_heads);
  }
  int64_t head_dim = q.cols() / heads;
  if (q.cols() % heads != 0 || head_dim % 8 != 0 || head_dim < 8 || head_dim > 256) {
    fail("[", op, "] q: expected ", heads, " heads of a size that is a multiple of 8 up to 256, got shape ",
         to_string(q.shape));
  }
  require_shape(op, "k", k, {k.rows(), kv_heads * head_dim});
  require(op, scale == scale && scale - scale == 0, "scale must be finite, got " + std::to_string(scale));
  require(op, window >= 0,
          "window must be 0 (none) or the number of keys seen, got " + std::to_string(window));
  require(op, softcap >= 0 && softcap - softcap == 0,
          "softcap must be 0 (none) or positive and finite, got " + std::to_string(softcap));
  require(op, max_length >= 0,
          "max_length must be 0 (unknown) or the tokens of the longest sequence, got " +
              std::to_string(max_length));
}

void check_cu(const char* op, const char* what, const Tensor& cu) {
  require_dtype(op, what, cu, DType::i32);
  require_rank(op, what, cu, 1);
  if (cu.numel() < 1) fail("[", op, "] ", what, ": expected at least one element");
}

void check_float(const char* op, const char* what, const Tensor& t, const Shape& shape) {
  require_float(op, what, t);
  require_shape(op, what, t, shape);
}

void check_lse(const char* op, const Tensor& lse, int64_t heads, int64_t tokens) {
  require_dtype(op, "lse", lse, DType::f32);
  require_shape(op, "lse", lse, {heads, tokens});
}

}  // namespace

void Checks::attention_forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_q,
                               const Tensor& cu_k, const Tensor& out, const Tensor& lse, int64_t heads,
                               int64_t kv_heads, double scale, int64_t window, double softcap,
                               int64_t max_length) {
  const char* op = "attention_forward";
  check_heads(op, q, k, heads, kv_heads, scale, window, softcap, max_length);
  check_float(op, "q", q, q.shape);
  check_float(op, "k", k, k.shape);
  check_float(op, "v", v, k.shape);
  check_float(op, "out", out, q.shape);
  check_cu(op, "cu_q", cu_q);
  check_cu(op, "cu_k", cu_k);
  require_shape(op, "cu_k", cu_k, cu_q.shape);
  check_lse(op, lse, heads, q.rows());
}

void Checks::attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                                const Tensor& out, const Tensor& lse, const Tensor& cu, const Tensor& dq,
                                const Tensor& dk, const Tensor& dv, int64_t heads, int64_t kv_heads,
                                double scale, int64_t window, double softcap, int64_t max_length, bool) {
  const char* op = "attention_backward";
  check_heads(op, q, k, heads, kv_heads, scale, window, softcap, max_length);
  Shape kv_shape{q.rows(), k.cols()};
  check_float(op, "dout", dout, q.shape);
  check_float(op, "q", q, q.shape);
  check_float(op, "k", k, kv_shape);
  check_float(op, "v", v, kv_shape);
  check_float(op, "out", out, q.shape);
  check_float(op, "dq", dq, q.shape);
  check_float(op, "dk", dk, kv_shape);
  check_float(op, "dv", dv, kv_shape);
  check_cu(op, "cu", cu);
  check_lse(op, lse, heads, q.rows());
}

}  // namespace qlora
