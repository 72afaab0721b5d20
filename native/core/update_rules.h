#pragma once
#include <cfloat>
#include <cmath>
#include <cstdint>

#include "core/host_device.h"

// The optimizers' arithmetic for one element. Scalars are computed in double and used as float.
namespace qlora::QLORA_HERE {

/** Number of elements that share a maximum in 8-bit state. */
constexpr int64_t kStateBlock = 256;

/** The factor of clipping, as in torch: min(1, max_norm / (norm + 1e-6)); NaN if the norm is. */
QLORA_BOTH float clip_factor(float norm, float max_norm) {
  const float factor = max_norm / (norm + 1e-6f);
  return factor >= 1.0f ? 1.0f : factor;
}

struct AdamwRule {
  float decay, lerp1, beta2, lerp2, root2, eps, step_size;

  AdamwRule(double lr, double beta1, double beta2_, double eps_, double weight_decay, int64_t step)
      : decay(static_cast<float>(1 - lr * weight_decay)),
        lerp1(static_cast<float>(1 - beta1)),
        beta2(static_cast<float>(beta2_)),
        lerp2(static_cast<float>(1 - beta2_)),
        root2(static_cast<float>(std::sqrt(1 - std::pow(beta2_, static_cast<double>(step))))),
        eps(static_cast<float>(eps_)),
        step_size(static_cast<float>(lr / (1 - std::pow(beta1, static_cast<double>(step))))) {}

  /** In torch's order of operations; `round` to the moments' dtype after each. */
  template <typename Round>
  QLORA_BOTH void update(float& p, float g, float& m, float& v, Round round) const {
    p = round(p * decay);
    m = round(m + lerp1 * (g - m));
    v = round(v * beta2);
    v = round(v + lerp2 * g * g);
    const float denominator = round(round(round(sqrtf(v)) / root2) + eps);
    p -= step_size * m / denominator;
  }
};

/** bitsandbytes' AdamW as in its GPU kernels: weight decay comes after the update. */
struct Adamw8bitRule {
  float decay, beta1, lerp1, beta2, lerp2, eps, step_size;

  Adamw8bitRule(double lr, double beta1_, double beta2_, double eps_, double weight_decay, int64_t step)
      : decay(static_cast<float>(1 - lr * weight_decay)),
        beta1(static_cast<float>(beta1_)),
        lerp1(static_cast<float>(1 - beta1_)),
        beta2(static_cast<float>(beta2_)),
        lerp2(static_cast<float>(1 - beta2_)) {
    const double root2 = std::sqrt(1 - std::pow(beta2_, static_cast<double>(step)));
    eps = static_cast<float>(eps_ * root2);
    step_size = static_cast<float>(lr * root2 / (1 - std::pow(beta1_, static_cast<double>(step))));
  }

  /** A gradient that is not finite sets both moments to 0 and does not change the parameter. */
  QLORA_BOTH void update(float& p, float g, float& m, float& v) const {
    const bool finite = fabsf(g) <= FLT_MAX;
    m = finite ? m * beta1 + lerp1 * g : 0.0f;
    v = finite ? v * beta2 + lerp2 * g * g : 0.0f;
    p = finite ? (p - step_size * (m / (sqrtf(v) + eps))) * decay : p;
  }
};

struct LionRule {
  float decay, lr, beta1, lerp1, beta2, lerp2;

  LionRule(double lr_, double beta1_, double beta2_, double weight_decay)
      : decay(static_cast<float>(1 - lr_ * weight_decay)),
        lr(static_cast<float>(lr_)),
        beta1(static_cast<float>(beta1_)),
        lerp1(static_cast<float>(1 - beta1_)),
        beta2(static_cast<float>(beta2_)),
        lerp2(static_cast<float>(1 - beta2_)) {}

  QLORA_BOTH void update(float& p, float g, float& m) const {
    const float direction = m * beta1 + lerp1 * g;
    const float sign = direction > 0 ? 1.0f : direction < 0 ? -1.0f : 0.0f;
    p = p * decay - lr * sign;
    m = m * beta2 + lerp2 * g;
  }
};

struct SgdRule {
  float lr, momentum, keep, weight_decay;
  bool nesterov, first;  // in the first step momentum is the gradient, without dampening

  SgdRule(double lr_, double momentum_, double dampening, bool nesterov_, double weight_decay_, bool first_)
      : lr(static_cast<float>(lr_)),
        momentum(static_cast<float>(momentum_)),
        keep(static_cast<float>(1 - dampening)),
        weight_decay(static_cast<float>(weight_decay_)),
        nesterov(nesterov_),
        first(first_) {}

  QLORA_BOTH void update(float& p, float g, float& m) const {
    const float d = g + weight_decay * p;
    m = first ? d : momentum * m + keep * d;
    p -= lr * (nesterov ? d + momentum * m : m);
  }
};

}  // namespace qlora::QLORA_HERE
