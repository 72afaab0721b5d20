#include "core/check/checks.h"
#include "core/check/require.h"

namespace qlora {

namespace {

void require_gradients(const char* op, const TensorList& tensors, const Tensor& norm) {
  for (const Tensor& t : tensors) require_float(op, "tensors", t);
  require_dtype(op, "norm", norm, DType::f32);
  require_shape(op, "norm", norm, {1});
}

/** float32 as bitsandbytes keeps them, or bfloat16 for a bfloat16 parameter as torch does. float16 cannot
 * hold eps = 1e-8. */
void require_moment(const char* what, const Tensor& moment, const Tensor& param) {
  if (!(moment.dtype == DType::bf16 && param.dtype == DType::bf16))
    require_dtype("adamw", what, moment, DType::f32);
  require_shape("adamw", what, moment, param.shape);
}

void require_beta(const char* what, double beta) {
  if (!(beta >= 0 && beta < 1)) fail("[adamw] ", what, ": expected 0 <= ", what, " < 1, got ", beta);
}

}  // namespace

void Checks::global_norm(const TensorList& tensors, const Tensor& norm) {
  require_gradients("global_norm", tensors, norm);
}

void Checks::clip_by_norm(const TensorList& tensors, const Tensor& norm, double max_norm) {
  require_gradients("clip_by_norm", tensors, norm);
  if (!(max_norm >= 0)) fail("[clip_by_norm] max_norm: expected 0 or more, got ", max_norm);
}

void Checks::adamw(const Tensor& param, const Tensor& grad, const Tensor& exp_avg, const Tensor& exp_avg_sq,
                   double lr, double beta1, double beta2, double eps, double weight_decay, int64_t step) {
  require_float("adamw", "param", param);
  require_float("adamw", "grad", grad);
  require_shape("adamw", "grad", grad, param.shape);
  require_moment("exp_avg", exp_avg, param);
  require_moment("exp_avg_sq", exp_avg_sq, param);
  require_dtype("adamw", "exp_avg_sq", exp_avg_sq, exp_avg.dtype);
  require_beta("beta1", beta1);
  require_beta("beta2", beta2);
  if (!(eps >= 0)) fail("[adamw] eps: expected 0 or more, got ", eps);
  if (step < 1) fail("[adamw] step: expected 1 or more, got ", step);
}

}  // namespace qlora
