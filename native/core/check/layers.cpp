#include "core/check/checks.h"
#include "core/check/require.h"

namespace qlora {

namespace {

/** A tensor of activations: a float tensor with the shape of another. */
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

void require_offset(const char* op, double offset) {
  require(op, offset - offset == 0, "offset: expected a finite number, got " + std::to_string(offset));
}

void require_gate(const char* op, const Tensor& gate, const Tensor& up, const Tensor& out) {
  require_float(op, "gate", gate);
  require_like(op, "up", up, gate);
  require_like(op, "out", out, gate);
}

void require_gate_gradients(const char* op, const Tensor& dout, const Tensor& gate, const Tensor& up,
                            const Tensor& dgate, const Tensor& dup, const OptionalTensor& out) {
  require_float(op, "gate", gate);
  require_like(op, "dout", dout, gate);
  require_like(op, "up", up, gate);
  require_like(op, "dgate", dgate, gate);
  require_like(op, "dup", dup, gate);
  if (out) require_like(op, "out", *out, gate);
}

}  // namespace

void Checks::rms_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& out, const Tensor& rstd,
                              double eps, double offset, bool) {
  require_offset("rms_norm_forward", offset);
  require_norm("rms_norm_forward", x, weight, rstd);
  require_like("rms_norm_forward", "out", out, x);
}

void Checks::rms_norm_backward(const Tensor& dout, const Tensor& x, const Tensor& weight, const Tensor& rstd,
                               const OptionalTensor& residual, const Tensor& dx,
                               const OptionalTensor& dweight, double offset) {
  require_offset("rms_norm_backward", offset);
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
  require_rank("rope", "inv_freq", inv_freq, 1);
  const int64_t pairs = inv_freq.numel();
  if (pairs < 1 || pairs > head_dim / 2)
    fail("[rope] inv_freq: expected 1 to ", head_dim / 2, " elements, half a head, got ", pairs);
}

void Checks::swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  require_gate("swiglu_forward", gate, up, out);
}

void Checks::swiglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                             const Tensor& dup, const OptionalTensor& out) {
  require_gate_gradients("swiglu_backward", dout, gate, up, dgate, dup, out);
}

void Checks::geglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {
  require_gate("geglu_forward", gate, up, out);
}

void Checks::geglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate,
                            const Tensor& dup, const OptionalTensor& out) {
  require_gate_gradients("geglu_backward", dout, gate, up, dgate, dup, out);
}

void Checks::softcap(const Tensor& x, const Tensor& out, double cap) {
  require_float("softcap", "x", x);
  require_like("softcap", "out", out, x);
  require("softcap", cap > 0 && cap - cap == 0,
          "cap: expected a positive, finite number, got " + std::to_string(cap));
}

void Checks::cross_entropy(const Tensor& logits, const Tensor& labels, const OptionalTensor& weights,
                           const Tensor& stats, const OptionalTensor& logps, const OptionalTensor& entropies,
                           const OptionalTensor& dlogits, double grad_scale, double label_smoothing,
                           bool by_probability, double softcap) {
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
  require(op, softcap >= 0 && softcap - softcap == 0,
          "softcap: expected 0 (none) or a positive, finite number, got " + std::to_string(softcap));
  require(op, label_smoothing >= 0 && label_smoothing <= 1, "label_smoothing: expected 0 to 1");
}

}  // namespace qlora
