#include "core/check/checks.h"
#include "core/check/require.h"

namespace qlora {

namespace {

/** A tensor of activations: float, of the shape of another. */
void require_like(const char* op, const char* what, const Tensor& t, const Tensor& like) {
  require_float(op, what, t);
  require_shape(op, what, t, like.shape);
}

void require_norm(const char* op, const Tensor& x, const Tensor& weight, const Tensor& rstd) {
  require_float(op, "x", x);
  require_float(op, "weight", weight);
  require_shape(op, "weight", weight, {x.cols()});
  require_dtype(op, "rstd", rstd, DType::f32);
  require_numel(op, "rstd", rstd, x.rows());
}

}  // namespace

void Checks::rms_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& out, const Tensor& rstd,
                              double eps) {
  require_norm("rms_norm_forward", x, weight, rstd);
  require_like("rms_norm_forward", "out", out, x);
}

void Checks::rms_norm_backward(const Tensor& dout, const Tensor& x, const Tensor& weight, const Tensor& rstd,
                               const OptionalTensor& residual, const Tensor& dx,
                               const OptionalTensor& dweight) {
  require_norm("rms_norm_backward", x, weight, rstd);
  require_like("rms_norm_backward", "dout", dout, x);
  require_like("rms_norm_backward", "dx", dx, x);
  if (residual) require_like("rms_norm_backward", "residual", *residual, x);
  if (dweight) {
    require_dtype("rms_norm_backward", "dweight", *dweight, DType::f32);
    require_shape("rms_norm_backward", "dweight", *dweight, {x.cols()});
  }
}

void Checks::rope(const Tensor& x, const Tensor& positions, const Tensor& inv_freq, const Tensor& out,
                  int64_t head_dim, double scaling, bool inverse) {
  require_float("rope", "x", x);
  require_like("rope", "out", out, x);
  if (head_dim < 2 || head_dim % 2 != 0) fail("[rope] head_dim: expected an even number, got ", head_dim);
  if (x.cols() % head_dim != 0) {
    fail("[rope] x: the last axis of ", to_string(x.shape), " is not a multiple of head_dim ", head_dim);
  }
  require_dtype("rope", "positions", positions, DType::i32);
  require_numel("rope", "positions", positions, x.rows());
  require_dtype("rope", "inv_freq", inv_freq, DType::f32);
  require_shape("rope", "inv_freq", inv_freq, {head_dim / 2});
}

void Checks::swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  require_float("swiglu_forward", "gate", gate);
  require_like("swiglu_forward", "up", up, gate);
  require_like("swiglu_forward", "out", out, gate);
}

void Checks::swiglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                             const Tensor& dup, const OptionalTensor& out) {
  require_float("swiglu_backward", "gate", gate);
  require_like("swiglu_backward", "dout", dout, gate);
  require_like("swiglu_backward", "up", up, gate);
  require_like("swiglu_backward", "dgate", dgate, gate);
  require_like("swiglu_backward", "dup", dup, gate);
  if (out) require_like("swiglu_backward", "out", *out, gate);
}

void Checks::cross_entropy(const Tensor& logits, const Tensor& labels, const OptionalTensor& weights,
                           const Tensor& stats, const OptionalTensor& logps, const OptionalTensor& entropies,
                           const OptionalTensor& dlogits, double grad_scale, double label_smoothing,
                           bool by_probability) {
  const char* op = "cross_entropy";
  require_float(op, "logits", logits);
  require_rank(op, "logits", logits, 2);
  require(op, logits.cols() > 0, "logits: expected a vocabulary of 1 or more");
  const auto per_row = [&](const char* what, const Tensor& t, DType dtype) {
    require_dtype(op, what, t, dtype);
    require_shape(op, what, t, {logits.rows()});
  };
  per_row("labels", labels, DType::i32);
  if (weights) per_row("weights", *weights, DType::f32);
  require_dtype(op, "stats", stats, DType::f32);
  require_shape(op, "stats", stats, {4});
  if (logps) per_row("logps", *logps, DType::f32);
  if (entropies) per_row("entropies", *entropies, DType::f32);
  if (dlogits) require_like(op, "dlogits", *dlogits, logits);
  require(op, label_smoothing >= 0 && label_smoothing <= 1, "label_smoothing: expected 0 to 1");
}

}  // namespace qlora
