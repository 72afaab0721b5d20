#include "cuda/joins.h"

namespace qlora::cuda {

namespace {

bool is_same(const Tensor& a, const Tensor& b) {
  return a.data<char>() == b.data<char>() && a.shape == b.shape;
}

bool overlap(const Tensor& a, const Tensor& b) {
  return a.data<char>() < b.data<char>() + b.bytes() && b.data<char>() < a.data<char>() + a.bytes();
}

/** Whether the second reads nothing that the first writes, nor the other way round, and they share what a
 * launch has once. */
bool go_together(const Rotation& a, const Rotation& b) {
  return is_same(a.positions, b.positions) && is_same(a.inv_freq, b.inv_freq) && a.head_dim == b.head_dim &&
         a.scaling == b.scaling && a.inverse == b.inverse && a.x.dtype == b.x.dtype &&
         a.x.rows() == b.x.rows() && !overlap(a.out, b.x) && !overlap(a.out, b.out) && !overlap(a.x, b.out);
}

bool go_together(const Scattering& a, const Scattering& b) {
  return is_same(a.index, b.index) && a.out.shape[0] == b.out.shape[0] && !overlap(a.out, b.x) &&
         !overlap(a.out, b.out) && !overlap(a.x, b.out);
}

}  // namespace

void Joins::begin() {
  waits_ = true;
  products.begin();
}

template <typename Call>
void Joins::flush(const Context& context, std::optional<Call>& waiting) {
  if (!waiting) return;
  const Call call = *waiting;
  waiting.reset();
  run(context, call);
}

void Joins::before(const Context& context, const std::string& op) {
  if (op != "matmul_4bit") products.flush(context);
  if (op != "rms_norm_forward") flush(context, addition_);
  if (op != "rope") flush(context, rotation_);
  if (op != "scatter_rows") flush(context, scattering_);
}

void Joins::end(const Context& context) {
  before(context, "");
  products.end(context);
  waits_ = false;
}

void Joins::drop() {
  products.drop();
  addition_.reset();
  rotation_.reset();
  scattering_.reset();
  waits_ = false;
}

bool Joins::keep(const Addition& call) {
  if (waits_) addition_ = call;
  return waits_;
}

std::optional<Addition> Joins::take_sum(const Context& context, const Tensor& x) {
  if (addition_ && (!is_same(addition_->out, x) || addition_->out.dtype != x.dtype))
    flush(context, addition_);
  return std::exchange(addition_, std::nullopt);
}

template <typename Call>
void Joins::join(const Context& context, const Call& call) {
  std::optional<Call>& first = waiting(call);
  if (first && go_together(*first, call)) {
    const Call pair = *first;
    first.reset();
    return run(context, pair, &call);
  }
  flush(context, first);
  if (waits_)
    first = call;
  else
    run(context, call);
}

template void Joins::join(const Context&, const Rotation&);
template void Joins::join(const Context&, const Scattering&);

}  // namespace qlora::cuda
