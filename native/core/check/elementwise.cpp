#include <cmath>

#include "core/check/checks.h"
#include "core/check/require.h"

namespace qlora {

namespace {

/** Row indices: their values are checked when the operation runs. */
void require_index(const char* op, const Tensor& index) {
  require_dtype(op, "index", index, DType::i32);
  require_rank(op, "index", index, 1);
}

}  // namespace

void Checks::fill(const Tensor& out, double value) {
  if (is_float(out.dtype)) return;
  double low = 0, high = 255;
  if (out.dtype == DType::i8) low = -128, high = 127;
  if (out.dtype == DType::i32) low = -2147483648.0, high = 2147483647.0;
  if (out.dtype == DType::i64) low = -9007199254740991.0, high = 9007199254740991.0;
  if (!(value >= low && value <= high && value == std::floor(value))) {
    fail("[fill] value: expected an integer that ", name_of(out.dtype), " can hold, got ", value);
  }
}

void Checks::copy(const Tensor& x, const Tensor& out) {
  require_shape("copy", "out", out, x.shape);
  if (x.dtype != out.dtype && !(is_float(x.dtype) && is_float(out.dtype))) {
    fail("[copy] ", name_of(x.dtype), " cannot be converted to ", name_of(out.dtype),
         "; only float dtypes convert");
  }
}

void Checks::copy_columns(const Tensor& x, const Tensor& out, int64_t column, bool transpose, double) {
  require_matrix("copy_columns", "x", x);
  require_matrix("copy_columns", "out", out);
  const int64_t rows = x.shape[transpose ? 1 : 0], cols = x.shape[transpose ? 0 : 1];
  if (rows != out.shape[0])
    fail("[copy_columns] out: expected ", rows, " rows, got shape (", out.shape[0], ", ", out.shape[1], ")");
  if (column < 0 || column + cols > out.shape[1])
    fail("[copy_columns] column: ", cols, " columns from ", column, " on do not fit into ", out.shape[1]);
  require_apart("copy_columns", "x", x, out);
}

void Checks::slice_columns(const Tensor& x, const Tensor& out, int64_t column) {
  require_rank("slice_columns", "x", x, 2);
  require_rank("slice_columns", "out", out, 2);
  require_dtype("slice_columns", "out", out, x.dtype);
  require_shape("slice_columns", "out", out, {x.shape[0], out.shape[1]});
  if (column < 0 || column + out.shape[1] > x.shape[1])
    fail("[slice_columns] column: there are no ", out.shape[1], " columns from ", column, " on in ",
         x.shape[1]);
  require_apart("slice_columns", "x", x, out);
}

void Checks::start_copy(const Tensor& x, const Tensor& out) {
  require_shape("start_copy", "out", out, x.shape);
  require_dtype("start_copy", "out", out, x.dtype);
}

void Checks::finish_copy(const Tensor&) {}

void Checks::add(const Tensor& a, const Tensor& b, const Tensor& out, double alpha) {
  require_float("add", "a", a);
  require_float("add", "b", b);
  require_float("add", "out", out);
  require_shape("add", "b", b, a.shape);
  require_shape("add", "out", out, a.shape);
}

void Checks::add_bias(const Tensor& x, const Tensor& bias, const Tensor& out) {
  require_float("add_bias", "x", x);
  require_float("add_bias", "bias", bias);
  require_float("add_bias", "out", out);
  require_shape("add_bias", "bias", bias, {x.cols()});
  require_shape("add_bias", "out", out, x.shape);
}

void Checks::sum_rows(const Tensor& x, const Tensor& out, double beta) {
  require_float("sum_rows", "x", x);
  require_float("sum_rows", "out", out);
  require_shape("sum_rows", "out", out, {x.cols()});
}

void Checks::scale_rows(const Tensor& x, const Tensor& scale, const Tensor& out, bool per_column) {
  require_float("scale_rows", "x", x);
  require_float("scale_rows", "scale", scale);
  require_float("scale_rows", "out", out);
  require_numel("scale_rows", "scale", scale, per_column ? x.cols() : x.rows());
  require_shape("scale_rows", "out", out, x.shape);
}

void Checks::row_norm(const Tensor& x, const Tensor& out, bool inverse) {
  require_float("row_norm", "x", x);
  require_float("row_norm", "out", out);
  require_numel("row_norm", "out", out, x.rows());
}

void Checks::dot_columns(const Tensor& a, const Tensor& b, const Tensor& out, double beta) {
  require_float("dot_columns", "a", a);
  require_float("dot_columns", "b", b);
  require_float("dot_columns", "out", out);
  require_shape("dot_columns", "b", b, a.shape);
  require_shape("dot_columns", "out", out, {a.cols()});
}

void Checks::gather_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  require_rank("gather_rows", "x", x, 2);
  require_index("gather_rows", index);
  require_dtype("gather_rows", "out", out, x.dtype);
  require_shape("gather_rows", "out", out, {index.numel(), x.shape[1]});
}

void Checks::scatter_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  require_rank("scatter_rows", "x", x, 2);
  require_index("scatter_rows", index);
  require_numel("scatter_rows", "index", index, x.shape[0]);
  require_dtype("scatter_rows", "out", out, x.dtype);
  require_rank("scatter_rows", "out", out, 2);
  require_shape("scatter_rows", "out", out, {out.shape[0], x.shape[1]});
}

void Checks::add_rows(const Tensor& x, const Tensor& index, const Tensor& out) {
  require_float("add_rows", "x", x);
  require_rank("add_rows", "x", x, 2);
  require_index("add_rows", index);
  require_numel("add_rows", "index", index, x.shape[0]);
  require_dtype("add_rows", "out", out, DType::f32);
  require_rank("add_rows", "out", out, 2);
  require_shape("add_rows", "out", out, {out.shape[0], x.shape[1]});
}

void Checks::argmax_rows(const Tensor& x, const Tensor& out) {
  require_float("argmax_rows", "x", x);
  require_dtype("argmax_rows", "out", out, DType::i32);
  require_numel("argmax_rows", "out", out, x.rows());
}

}  // namespace qlora
