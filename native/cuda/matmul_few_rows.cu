#include <cmath>
#include <optional>
#include <utility>

#include "cuda/attention.cuh"
#include "cuda/few_rows.cuh"
#include "cuda/matmul_few_rows.h"

namespace qlora::cuda {

namespace {

/** In one pass W costs half a byte a weight; dequantizing costs 4.5, and the product comes on top. */
constexpr int64_t kMostRows = 32;

/**
 * The codes' values are taken times this and rounded: the factor with the smallest mean error. In bfloat16 it
 * is 0.85e-3 of NF4's values, less than that of weights that are rounded themselves (1.6e-3), in float16
 * 0.9e-4. FP4's become exact.
 */
float scaling(const std::string& quant_type, DType operands) {
  if (quant_type != "nf4") return 1.5f;
  return operands == DType::bf16 ? 1.43675f : 1.36617f;
}

uint16_t bits(float x, DType dtype) {
  if (dtype == DType::bf16) return __bfloat16_as_ushort(__float2bfloat16_rn(x));
  return __half_as_ushort(__float2half_rn(x));
}

/** Whether all matrices have the form that a GPU with much shared memory has a faster kernel for. */
bool is_whole(const Context& context, const FewRows& p, size_t shared) {
  if (context.gpu.shared_bytes < shared || p.in_features % kStep != 0 || p.shift != 6 || p.nested_shift < 2)
    return false;
  for (int i = 0; i < p.count; i++) {
    const FewRowsMatrix& m = p.matrices[i];
    if (!m.map || m.out_features < 32 || reinterpret_cast<uintptr_t>(m.stored) % 4 != 0) return false;
  }
  return true;
}

template <typename Form>
void launch(const Context& context, FewRows p) {
  constexpr int kTileRows = Form::kTileRows;
  p.tiles = 0;
  for (int i = 0; i < p.count; i++)
    p.matrices[i].end_tile = p.tiles += blocks_for(p.matrices[i].out_features, kTileRows);
  const uint32_t steps = blocks_for(p.in_features, kStep);
  for (p.group = 1; p.group < kMostGroup && static_cast<uint32_t>(p.group) < steps;) p.group *= 2;
  constexpr int kBlocks = Form::kWhole ? 1 : 2;  // of a multiprocessor at once
  const dim3 grid(std::min<uint32_t>(p.tiles, context.gpu.multiprocessors * kBlocks),
                  blocks_for(p.rows, Form::kTiles * kRowsOfX));
  allow_shared(few_rows_kernel<Form>, Form::kShared);
  const bool now = std::exchange(context.overlaps, p.overlaps);
  launch_overlapping(context, few_rows_kernel<Form>, grid, dim3(Form::kWarps * 32), Form::kShared, p);
  context.overlaps = now;
}

template <typename T>
void launch_operands(const Context& context, const FewRows& p) {
  using Whole4 = FewRowsForm<T, 16, 2, 1, true>;
  using Whole8 = FewRowsForm<T, 16, 2, 2, true>;
  using Whole16 = FewRowsForm<T, 16, 1, 4, true>;
  if (is_whole(context, p, std::max({Whole4::kShared, Whole8::kShared, Whole16::kShared}))) {
    if (p.rows <= 4) return launch<Whole4>(context, p);
    if (p.rows <= 8) return launch<Whole8>(context, p);
    return launch<Whole16>(context, p);
  }
  if (p.rows <= 4) return launch<FewRowsForm<T, 8, 1, 1, false>>(context, p);
  if (p.rows <= 8) return launch<FewRowsForm<T, 8, 1, 2, false>>(context, p);
  return launch<FewRowsForm<T, 8, 1, 4, false>>(context, p);
}

/** Whether one launch can have both. */
bool joins(const FewRows& p, const FewRows& other) {
  return p.count < kMostJoined && p.x == other.x && p.rows == other.rows &&
         p.in_features == other.in_features && p.shift == other.shift &&
         p.nested_shift == other.nested_shift && p.operands == other.operands && p.alpha == other.alpha &&
         p.beta == other.beta && std::equal(p.code, p.code + 16, other.code);
}

}  // namespace

void JoinedProducts::flush(const Context& context) {
  if (product_.count == 0) return;
  const FewRows product = product_;
  product_.count = 0;
  (product.operands == DType::bf16 ? launch_operands<__nv_bfloat16> : launch_operands<__half>)(context,
                                                                                               product);
}

void JoinedProducts::end(const Context& context) {
  flush(context);
  waits_ = false;
}

void JoinedProducts::add(const Context& context, const FewRows& product, bool may_wait) {
  if (product_.count > 0 && joins(product_, product)) {
    product_.matrices[product_.count++] = product.matrices[0];
  } else {
    flush(context);
    product_ = product;
  }
  if (!waits_ || !may_wait) flush(context);
}

bool few_rows(const Context& context, const FewRowsCall& call) {
  const int64_t rows = call.x.rows();
  const auto* codes = call.codes.data<uint8_t>();
  const Maxima& maxima = call.maxima;
  if (rows > kMostRows || !has_mma(context.gpu.capability, call.operands)) return false;
  // A lane's 32 columns, and the 64 of a pair of lanes, are of one block and begin at 16 bytes.
  if (call.in_features == 0 || call.in_features % 64 != 0 || maxima.shift < 6 || call.out_features < 16)
    return false;
  if (reinterpret_cast<uintptr_t>(codes) % 16 != 0 || call.out_features * call.in_features > UINT32_MAX)
    return false;
  View x(call.x);
  std::optional<Scratch> converted;
  if (x.dtype != call.operands || !x.aligned) {
    context.joins.products.flush(context);  // what waits may have been given the same memory
    const int64_t n = call.x.numel();
    converted.emplace(context, static_cast<size_t>(n) * size_of(call.operands));
    const View from = x, to(converted->as<void>(), call.operands);
    launch_each(context, n, [=] __device__(int64_t i) { to.store(i, from.load(i)); });
    x = to;
  }
  FewRows p{};
  p.matrices[0] = {codes,
                   maxima.stored,
                   maxima.map,
                   maxima.nested,
                   maxima.offset,
                   call.out.data<void>(),
                   call.out.dtype,
                   static_cast<uint32_t>(call.out_features),
                   0};
  p.count = 1;
  const float factor = scaling(call.quant_type, call.operands);
  const CodeValues values = code_values(call.quant_type);
  for (int i = 0; i < 16; i++) p.code[i] = bits(values.value[i] * factor, call.operands);
  p.x = x.data;
  p.rows = static_cast<uint32_t>(rows);
  p.in_features = static_cast<uint32_t>(call.in_features);
  p.shift = maxima.shift;
  p.nested_shift = maxima.nested_shift;
  p.operands = call.operands;
  p.alpha = static_cast<float>(call.alpha) / factor;
  p.beta = static_cast<float>(call.beta);
  p.overlaps = context.overlaps;
  context.joins.products.add(context, p, !converted);
  return true;
}

}  // namespace qlora::cuda
