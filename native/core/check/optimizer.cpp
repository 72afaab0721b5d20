#include <utility>

#include "core/check/checks.h"
#include "core/check/require.h"
#include "core/update_rules.h"

namespace qlora {

namespace {

void require_norm(const char* op, const Tensor& norm, double max_norm) {
  require_dtype(op, "norm", norm, DType::f32);
  require_shape(op, "norm", norm, {1});
  if (!(max_norm >= 0)) fail("[", op, "] max_norm: expected 0 or more, got ", max_norm);
}

void require_gradients(const char* op, const TensorList& tensors, const Tensor& norm, double max_norm) {
  for (const Tensor& t : tensors) require_float(op, "tensors", t);
  require_norm(op, norm, max_norm);
}

/** The lists of an update, each checked against the first. */
class Update {
 public:
  Update(const char* op, const TensorList& params, const TensorList& grads, const OptionalTensor& norm,
         double max_norm)
      : op_(op), params_(params) {
    if (params.empty()) fail("[", op, "] params: expected one tensor or more, got none");
    if (norm) require_norm(op, *norm, max_norm);
    each("grads", grads, [&](const Tensor& grad, const Tensor& param) {
      require_float(op_, "params", param);
      require_float(op_, "grads", grad);
      require_shape(op_, "grads", grad, param.shape);
    });
  }

  void moments(const char* what, const TensorList& list) const {
    each(what, list, [&](const Tensor& moment, const Tensor& param) {
      require_dtype(op_, what, moment, DType::f32);
      require_shape(op_, what, moment, param.shape);
    });
  }
  /**
   * Moments are float32, as in bitsandbytes, or bfloat16 for a bfloat16 parameter, as in torch. float16
   * cannot represent eps = 1e-8.
   */
  void adam_moments(const TensorList& first, const TensorList& second) const {
    for (const auto& [what, list] : {std::pair("exp_avgs", &first), std::pair("exp_avg_sqs", &second)}) {
      each(what, *list, [&, name = what](const Tensor& moment, const Tensor& param) {
        if (!(moment.dtype == DType::bf16 && param.dtype == DType::bf16))
          require_dtype(op_, name, moment, DType::f32);
        require_shape(op_, name, moment, param.shape);
      });
    }
    for (size_t i = 0; i < first.size(); i++) require_dtype(op_, "exp_avg_sqs", second[i], first[i].dtype);
  }
  void codes(const char* what, const TensorList& codes, const char* maxima, const TensorList& absmax) const {
    each(what, codes, [&](const Tensor& code, const Tensor& param) {
      require_dtype(op_, what, code, DType::u8);
      require_shape(op_, what, code, param.shape);
    });
    each(maxima, absmax, [&](const Tensor& most, const Tensor& param) {
      require_dtype(op_, maxima, most, DType::f32);
      require_shape(op_, maxima, most,
                    {(param.numel() + QLORA_HERE::kStateBlock - 1) / QLORA_HERE::kStateBlock});
    });
  }
  void map(const char* what, const Tensor& map) const {
    require_dtype(op_, what, map, DType::f32);
    require_shape(op_, what, map, {256});
  }
  void betas(double beta1, double beta2) const {
    for (const auto& [what, beta] : {std::pair("beta1", beta1), std::pair("beta2", beta2)})
      if (!(beta >= 0 && beta < 1)) fail("[", op_, "] ", what, ": expected 0 <= ", what, " < 1, got ", beta);
  }
  void eps_and_step(double eps, int64_t step) const {
    if (!(eps >= 0)) fail("[", op_, "] eps: expected 0 or more, got ", eps);
    if (step < 1) fail("[", op_, "] step: expected 1 or more, got ", step);
  }

 private:
  template <typename Check>
  void each(const char* what, const TensorList& list, Check check) const {
    if (list.size() != params_.size())
      fail("[", op_, "] ", what, ": expected ", params_.size(), " tensors, one a parameter, got ",
           list.size());
    for (size_t i = 0; i < list.size(); i++) check(list[i], params_[i]);
  }

  const char* op_;
  const TensorList& params_;
};

}  // namespace

void Checks::global_norm(const TensorList& tensors, const Tensor& norm) {
  require_gradients("global_norm", tensors, norm, 0);
}

void Checks::clip_by_norm(const TensorList& tensors, const Tensor& norm, double max_norm) {
  require_gradients("clip_by_norm", tensors, norm, max_norm);
}

void Checks::adamw(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                   const TensorList& exp_avg_sqs, const OptionalTensor& norm, double max_norm, double lr,
                   double beta1, double beta2, double eps, double weight_decay, int64_t step) {
  const Update update("adamw", params, grads, norm, max_norm);
  update.adam_moments(exp_avgs, exp_avg_sqs);
  update.betas(beta1, beta2);
  update.eps_and_step(eps, step);
}

void Checks::adamw_8bit(const TensorList& params, const TensorList& grads, const TensorList& codes1,
                        const TensorList& absmax1, const TensorList& codes2, const TensorList& absmax2,
                        const Tensor& signed_map, const Tensor& unsigned_map, const OptionalTensor& norm,
                        double max_norm, double lr, double beta1, double beta2, double eps,
                        double weight_decay, int64_t step) {
  const Update update("adamw_8bit", params, grads, norm, max_norm);
  update.codes("codes1", codes1, "absmax1", absmax1);
  update.codes("codes2", codes2, "absmax2", absmax2);
  update.map("signed_map", signed_map);
  update.map("unsigned_map", unsigned_map);
  update.betas(beta1, beta2);
  update.eps_and_step(eps, step);
}

void Checks::lion(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                  const OptionalTensor& norm, double max_norm, double lr, double beta1, double beta2,
                  double weight_decay) {
  const Update update("lion", params, grads, norm, max_norm);
  update.moments("exp_avgs", exp_avgs);
  update.betas(beta1, beta2);
}

void Checks::lion_8bit(const TensorList& params, const TensorList& grads, const TensorList& codes,
                       const TensorList& absmax, const Tensor& signed_map, const OptionalTensor& norm,
                       double max_norm, double lr, double beta1, double beta2, double weight_decay) {
  const Update update("lion_8bit", params, grads, norm, max_norm);
  update.codes("codes", codes, "absmax", absmax);
  update.map("signed_map", signed_map);
  update.betas(beta1, beta2);
}

void Checks::sgd(const TensorList& params, const TensorList& grads, const TensorList& buffers,
                 const OptionalTensor& norm, double max_norm, double lr, double momentum, double dampening,
                 bool nesterov, double weight_decay, bool first) {
  const Update update("sgd", params, grads, norm, max_norm);
  if (!(momentum >= 0)) fail("[sgd] momentum: expected 0 or more, got ", momentum);
  if (momentum > 0 || !buffers.empty()) update.moments("buffers", buffers);
  if (nesterov && !(momentum > 0 && dampening == 0))
    fail("[sgd] nesterov: expected momentum above 0 and dampening 0, got ", momentum, " and ", dampening);
}

}  // namespace qlora
