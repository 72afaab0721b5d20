#pragma once
#include <initializer_list>

#include "core/tensor.h"

namespace qlora {

inline void require_float(const char* op, const char* what, const Tensor& t) {
  if (!is_float(t.dtype)) fail("[", op, "] ", what, ": expected a float dtype, got ", name_of(t.dtype));
}

inline void require_dtype(const char* op, const char* what, const Tensor& t, DType dtype) {
  if (t.dtype != dtype) fail("[", op, "] ", what, ": expected ", name_of(dtype), ", got ", name_of(t.dtype));
}

inline void require_shape(const char* op, const char* what, const Tensor& t, const Shape& shape) {
  if (t.shape != shape)
    fail("[", op, "] ", what, ": expected shape ", to_string(shape), ", got ", to_string(t.shape));
}

inline void require_numel(const char* op, const char* what, const Tensor& t, int64_t n) {
  if (t.numel() != n)
    fail("[", op, "] ", what, ": expected ", n, " elements, got shape ", to_string(t.shape));
}

inline void require_rank(const char* op, const char* what, const Tensor& t, size_t rank) {
  if (t.shape.size() != rank)
    fail("[", op, "] ", what, ": expected ", rank, " axes, got shape ", to_string(t.shape));
}

inline void require_one_of(const char* op, const char* what, const std::string& value,
                           std::initializer_list<const char*> known) {
  std::string list;
  for (const char* name : known) {
    if (value == name) return;
    list += (list.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  fail("[", op, "] ", what, ": expected one of ", list, ", got '", value, "'");
}

inline void require(const char* op, bool condition, const std::string& message) {
  if (!condition) fail("[", op, "] ", message);
}

inline void require_matrix(const char* op, const char* what, const Tensor& t) {
  require_float(op, what, t);
  require_rank(op, what, t, 2);
}

/** out must not overlap the operands, which are read while it is written. */
inline void require_apart(const char* op, const char* what, const Tensor& t, const Tensor& out) {
  if (t.storage == out.storage && t.byte_offset < out.byte_offset + out.bytes() &&
      out.byte_offset < t.byte_offset + t.bytes())
    fail("[", op, "] out: expected memory apart from ", what);
}

}  // namespace qlora
