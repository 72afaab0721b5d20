#include "core/ggml_k_blocks.h"

#include "core/ggml_round.h"

// As ggml-quants.c's quantize_row_q4_K_ref, q5_K and q6_K. The order of the operations matters, since the
// blocks are bit for bit those of llama.cpp.
namespace qlora::ggml {

namespace {

constexpr int total = 256, sub = 32, subs = total / sub;

/**
 * Parameters of the search for scale and minimum: the levels, and the steps of (first + step * delta +
 * levels) / range.
 */
struct Search {
  int levels;
  float first;
  int steps;
};

struct Fit {
  float scale;
  float minimum;
};

/** Sum of weights * (scale * code + minimum - x)^2. */
float error_of(Fit fit, const float* x, const float* weights, const uint8_t* codes) {
  float sum = 0;
  for (int i = 0; i < sub; i++) {
    const float diff = fit.scale * codes[i] + fit.minimum - x[i];
    sum += weights[i] * (diff * diff);
  }
  return sum;
}

/**
 * Fits x = scale * code - minimum with the least weighted square error of the tried scales
 * (make_qkx2_quants).
 */
Fit fit_range(const Search& search, const float* x, const float* weights, uint8_t* codes) {
  float low = x[0], high = x[0], sum_w = weights[0], sum_x = sum_w * x[0];
  for (int i = 1; i < sub; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  if (low > 0) low = 0;
  if (high == low) {
    std::fill(codes, codes + sub, uint8_t{0});
    return {0, -low};
  }
  const auto levels = static_cast<float>(search.levels);
  float inverse = levels / (high - low);
  Fit best{1 / inverse, low};
  for (int i = 0; i < sub; i++)
    codes[i] = static_cast<uint8_t>(clamped(nearest(inverse * (x[i] - low)), 0, search.levels));
  float best_error = error_of(best, x, weights, codes);
  uint8_t tried[sub];
  for (int step = 0; step <= search.steps; step++) {
    inverse = (search.first + 0.1f * static_cast<float>(step) + levels) / (high - low);
    float sum_l = 0, sum_l2 = 0, sum_xl = 0;
    for (int i = 0; i < sub; i++) {
      const int l = clamped(nearest(inverse * (x[i] - low)), 0, search.levels);
      tried[i] = static_cast<uint8_t>(l);
      const auto code = static_cast<float>(l);
      sum_l += weights[i] * code;
      sum_l2 += weights[i] * code * code;
      sum_xl += weights[i] * code * x[i];
    }
    const float determinant = sum_w * sum_l2 - sum_l * sum_l;
    if (!(determinant > 0)) continue;
    Fit fit{(sum_w * sum_xl - sum_x * sum_l) / determinant, (sum_l2 * sum_x - sum_l * sum_xl) / determinant};
    if (fit.minimum > 0) fit = {sum_xl / sum_l2, 0};
    const float error = error_of(fit, x, weights, tried);
    if (!(error < best_error)) continue;
    std::copy(tried, tried + sub, codes);
    best_error = error;
    best = fit;
    low = fit.minimum;  // as in the reference, later steps start from it
  }
  return {best.scale, -best.minimum};
}

/** Packs eight scales and minima of six bits each into 12 bytes. */
void pack_scales(const uint8_t* scales, const uint8_t* minima, uint8_t* out) {
  for (int j = 0; j < 4; j++) {
    out[j] = static_cast<uint8_t>(scales[j] | (scales[j + 4] >> 4) << 6);
    out[j + 4] = static_cast<uint8_t>(minima[j] | (minima[j + 4] >> 4) << 6);
    out[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (minima[j + 4] & 15) << 4);
  }
}

/**
 * The codes of all sub-blocks with 6-bit scales and minima; writes d, dmin and the 12 bytes of scales: 16
 * bytes.
 */
void range_codes(const Search& search, const float* x, uint8_t* out, uint8_t* codes) {
  Fit fits[subs];
  float weights[sub];
  float max_scale = 0, max_minimum = 0;
  for (int j = 0; j < subs; j++) {
    const float* values = x + j * sub;
    float squares = 0;
    for (int i = 0; i < sub; i++) squares += values[i] * values[i];
    const float root = std::sqrt(squares / sub);
    for (int i = 0; i < sub; i++) weights[i] = root + std::fabs(values[i]);
    fits[j] = fit_range(search, values, weights, codes + j * sub);
    max_scale = std::max(max_scale, fits[j].scale);
    max_minimum = std::max(max_minimum, fits[j].minimum);
  }
  const float inverse_scale = max_scale > 0 ? 63.f / max_scale : 0.f;
  const float inverse_minimum = max_minimum > 0 ? 63.f / max_minimum : 0.f;
  uint8_t scales[subs], minima[subs];
  for (int j = 0; j < subs; j++) {
    scales[j] = std::min<uint8_t>(63, static_cast<uint8_t>(nearest(inverse_scale * fits[j].scale)));
    minima[j] = std::min<uint8_t>(63, static_cast<uint8_t>(nearest(inverse_minimum * fits[j].minimum)));
  }
  store_half(out, max_scale / 63.f);
  store_half(out + 2, max_minimum / 63.f);
  pack_scales(scales, minima, out + 4);
  const float d = load_half(out), dmin = load_half(out + 2);
  for (int j = 0; j < subs; j++) {
    const float scale = d * scales[j];
    if (!scale) continue;
    const float minimum = dmin * minima[j];
    for (int i = j * sub; i < (j + 1) * sub; i++)
      codes[i] = static_cast<uint8_t>(clamped(nearest((x[i] + minimum) / scale), 0, search.levels));
  }
}

/** For 64 values at a time, packs the low four bits of values i and i + 32 into one byte. */
void pack_nibbles(const uint8_t* codes, uint8_t* out) {
  for (int from = 0; from < total; from += 2 * sub)
    for (int i = 0; i < sub; i++)
      *out++ = static_cast<uint8_t>((codes[from + i] & 15) | (codes[from + i + sub] & 15) << 4);
}

constexpr float tiny = 1e-15f;  // GROUP_MAX_EPS

/**
 * The scale of 16 values with codes -32 .. 31, the best of 19 that are tried; weights x^2 (make_qx_quants).
 * Codes are stored plus 32.
 */
float fit_signed(const float* x, uint8_t* codes) {
  constexpr int n = 16, levels = 32;
  float amax = 0, extreme = 0;
  for (int i = 0; i < n; i++)
    if (std::fabs(x[i]) > amax) {
      amax = std::fabs(x[i]);
      extreme = x[i];
    }
  if (amax < tiny) {
    std::fill(codes, codes + n, uint8_t{0});
    return 0;
  }
  float sum_xl = 0, sum_l2 = 0;
  uint8_t tried[n];
  const auto sums = [&](float inverse) {
    sum_xl = sum_l2 = 0;
    for (int i = 0; i < n; i++) {
      const int l = clamped(nearest(inverse * x[i]), -levels, levels - 1);
      tried[i] = static_cast<uint8_t>(l + levels);
      const float w = x[i] * x[i];
      sum_xl += w * x[i] * static_cast<float>(l);
      sum_l2 += w * static_cast<float>(l) * static_cast<float>(l);
    }
  };
  sums(-static_cast<float>(levels) / extreme);
  std::copy(tried, tried + n, codes);
  float scale = sum_l2 ? sum_xl / sum_l2 : 0.0f;
  float best = scale * sum_xl;
  for (int step = -9; step <= 9; step++) {
    if (step == 0) continue;
    sums(-(static_cast<float>(levels) + 0.1f * static_cast<float>(step)) / extreme);
    if (!(sum_l2 > 0 && sum_xl * sum_xl > best * sum_l2)) continue;
    std::copy(tried, tried + n, codes);
    scale = sum_xl / sum_l2;
    best = scale * sum_xl;
  }
  return scale;
}

}  // namespace

// d, dmin, 12 bytes of scales, 128 of codes
void q4_k(const float* x, uint8_t* out) {
  uint8_t codes[total];
  range_codes({15, -1.f, 20}, x, out, codes);
  pack_nibbles(codes, out + 16);
}

// d, dmin, 12 bytes of scales, 32 of fifth bits, 128 of codes
void q5_k(const float* x, uint8_t* out) {
  uint8_t codes[total];
  range_codes({31, -0.5f, 15}, x, out, codes);
  for (int i = 0; i < sub; i++) {
    uint8_t fifth = 0;
    for (int j = 0; j < subs; j++) fifth |= static_cast<uint8_t>((codes[j * sub + i] >> 4) << j);
    out[16 + i] = fifth;
  }
  pack_nibbles(codes, out + 48);
}

// 128 bytes of low bits, 64 of high bits, 16 scales, d
void q6_k(const float* x, uint8_t* out) {
  uint8_t codes[total];
  float scales[16];
  float max_abs = 0, max_scale = 0;
  for (int j = 0; j < 16; j++) {
    scales[j] = fit_signed(x + 16 * j, codes + 16 * j);
    if (std::fabs(scales[j]) > max_abs) {
      max_abs = std::fabs(scales[j]);
      max_scale = scales[j];
    }
  }
  uint8_t *low = out, *high = out + 128, *stored = out + 192, *d = out + 208;
  if (max_abs < tiny) {
    std::fill(out, out + 210, uint8_t{0});
    return;
  }
  const float inverse = -128.f / max_scale;
  store_half(d, 1 / inverse);
  for (int j = 0; j < 16; j++) {
    const auto scale = static_cast<int8_t>(std::min(127, nearest(inverse * scales[j])));
    stored[j] = static_cast<uint8_t>(scale);
    const float full = load_half(d) * scale;
    if (!full) continue;
    for (int i = 16 * j; i < 16 * (j + 1); i++)
      codes[i] = static_cast<uint8_t>(clamped(nearest(x[i] / full), -32, 31) + 32);
  }
  for (int from = 0; from < total; from += 128, low += 64, high += 32)
    for (int i = 0; i < 32; i++) {
      const uint8_t* c = codes + from + i;
      low[i] = static_cast<uint8_t>((c[0] & 15) | (c[64] & 15) << 4);
      low[i + 32] = static_cast<uint8_t>((c[32] & 15) | (c[96] & 15) << 4);
      high[i] = static_cast<uint8_t>(c[0] >> 4 | (c[32] >> 4) << 2 | (c[64] >> 4) << 4 | (c[96] >> 4) << 6);
    }
}

}  // namespace qlora::ggml
