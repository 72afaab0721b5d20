#pragma once

// bitsandbytes' constants of LLM.int8, as float32. A row's codes are its values times (1 / maximum) * 127,
// rounded twice as torch divides a number by a tensor.
namespace qlora {

constexpr float kInverse127 = 7.874015748e-3f;       // of dequantizing weights
constexpr float kInverse127Squared = 6.200124e-05f;  // of the products of codes

}  // namespace qlora
