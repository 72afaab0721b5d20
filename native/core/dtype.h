#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.h"

namespace qlora {

enum class DType : uint8_t { f32, bf16, f16, i32, i64, u8, i8 };

/** Storage-only 16-bit floats; arithmetic happens in float (cpu/convert.h). */
struct bf16_t {
  uint16_t bits;
};
struct f16_t {
  uint16_t bits;
};

inline const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "float32";
    case DType::bf16:
      return "bfloat16";
    case DType::f16:
      return "float16";
    case DType::i32:
      return "int32";
    case DType::i64:
      return "int64";
    case DType::u8:
      return "uint8";
    case DType::i8:
      return "int8";
  }
  fail("unknown dtype ", static_cast<int>(dtype));
}

inline size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 4;
    case DType::bf16:
      return 2;
    case DType::f16:
      return 2;
    case DType::i32:
      return 4;
    case DType::i64:
      return 8;
    case DType::u8:
    case DType::i8:
      return 1;
  }
  fail("unknown dtype ", static_cast<int>(dtype));
}

inline bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16;
}

inline DType dtype_from_name(const std::string& name) {
  for (DType dtype : {DType::f32, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8, DType::i8}) {
    if (name == name_of(dtype)) return dtype;
  }
  fail("unknown dtype '", name, "'; known: float32, bfloat16, float16, int32, int64, uint8, int8");
}

template <typename T>
struct Tag {
  using type = T;
};

/** Calls f(Tag<T>) with the element type of a float dtype; throws on every other dtype. */
template <typename F>
decltype(auto) dispatch_float(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(Tag<float>{});
    case DType::bf16:
      return f(Tag<bf16_t>{});
    case DType::f16:
      return f(Tag<f16_t>{});
    default:
      fail("expected a float dtype, got ", name_of(dtype));
  }
}

}  // namespace qlora
