#pragma once
#include "core/update_rules.h"
#include "cpu/code_search.h"
#include "cpu/tiles.h"

namespace qlora::QLORA_ISA {

/** Elements [i, i + n) of a tensor that is updated in place; written back by `store`. */
template <int64_t Size = kTile>
struct UpdateTile {
  float values[Size];

  void load(const FloatView& view, int64_t i, int64_t n) { load_row(view.read(i, n, values), values, n); }
  void store(const FloatView& view, int64_t i, int64_t n) const { view.write(i, n, values); }
};

/** Gradients [i, i + n) times the clipping factor, into `to`. */
inline void load_gradient(const FloatView& view, float factor, int64_t i, int64_t n, float* to) {
  const float* from = view.read(i, n, to);
  QLORA_INDEPENDENT
  for (int64_t j = 0; j < n; j++) to[j] = from[j] * factor;
}

inline float clip_factor_of(const OptionalTensor& norm, double max_norm) {
  return norm ? clip_factor(*norm->data<float>(), static_cast<float>(max_norm)) : 1.0f;
}

/**
 * rule.update(p, g, m) for every element; m is the one moment, kept in float. Without `moments`, the new m
 * is dropped.
 */
template <typename Rule>
void update_with_moment(const TensorList& params, const TensorList& grads, const TensorList& moments,
                        const OptionalTensor& norm, double max_norm, const Rule& rule) {
  const bool has_moments = !moments.empty();
  const float factor = clip_factor_of(norm, max_norm);
  for (size_t t = 0; t < params.size(); t++) {
    const FloatView p_view(params[t]), g_view(grads[t]), m_view(has_moments ? moments[t] : params[t]);
    for_tiles(params[t].numel(), [&](int64_t i, int64_t n) {
      float g[kTile];
      UpdateTile<> p, m;
      p.load(p_view, i, n);
      load_gradient(g_view, factor, i, n, g);
      m.load(m_view, i, n);
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < n; j++) rule.update(p.values[j], g[j], m.values[j]);
      p.store(p_view, i, n);
      if (has_moments) m.store(m_view, i, n);
    });
  }
}

/** Elements [first, first + n) of a block of 8-bit state. */
struct StateBlock {
  int64_t index, first, n;
};

template <typename Body>
void for_state_blocks(int64_t count, Body body) {
  parallel_for((count + kStateBlock - 1) / kStateBlock, 16, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++)
      body(StateBlock{b, b * kStateBlock, std::min(kStateBlock, count - b * kStateBlock)});
  });
}

static_assert(kStateBlock <= kSearchBlock);

/** One moment, stored as codes of a signed or unsigned map. */
template <bool Signed>
class CodedMoment {
 public:
  CodedMoment(const Tensor& codes, const Tensor& absmax, const Tensor& map)
      : codes_(codes.data<uint8_t>()), absmax_(absmax.data<float>()), map_(map.data<float>()) {}

  void load(const StateBlock& block, float* values) const {
    const float most = absmax_[block.index];
    for (int64_t j = 0; j < block.n; j++) values[j] = map_[codes_[block.first + j]] * most;
  }
  void store(const StateBlock& block, const float* values) const {
    float most = 0;  // ignores NaN
    for (int64_t j = 0; j < block.n; j++) most = std::fabs(values[j]) > most ? std::fabs(values[j]) : most;
    absmax_[block.index] = most;
    float scaled[kStateBlock];
    int32_t codes[kStateBlock];
    for (int64_t j = 0; j < block.n; j++) scaled[j] = values[j] / most;
    search_codes(map_, scaled, block.n, codes);
    if (Signed) {
      QLORA_INDEPENDENT
      for (int64_t j = 0; j < block.n; j++) codes[j] = keep_sign(map_, values[j], codes[j]);
    }
    for (int64_t j = 0; j < block.n; j++) codes_[block.first + j] = static_cast<uint8_t>(codes[j]);
  }

 private:
  uint8_t* codes_;
  float* absmax_;
  const float* map_;
};

}  // namespace qlora::QLORA_ISA
