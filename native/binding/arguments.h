#pragma once
#include <napi.h>

#include <cmath>
#include <type_traits>

#include "binding/handles.h"

namespace qlora {

/** Reads the tensors of an operation's arguments from handles. */
struct Handles {
  static Tensor tensor(const Napi::Value& v, ArgumentPlace at) { return unwrap_tensor(v, at); }
};

template <typename T, typename Tensors = Handles>
struct Argument;

template <typename Tensors>
struct Argument<Tensor, Tensors> {
  static Tensor from(const Napi::Value& v, ArgumentPlace at) { return Tensors::tensor(v, at); }
};

template <typename Tensors>
struct Argument<OptionalTensor, Tensors> {
  static OptionalTensor from(const Napi::Value& v, ArgumentPlace at) {
    if (v.IsUndefined() || v.IsNull()) return std::nullopt;
    return Tensors::tensor(v, at);
  }
};

template <typename Tensors>
struct Argument<TensorList, Tensors> {
  static TensorList from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsArray()) fail(at, ": expected an array of tensor handles");
    auto array = v.As<Napi::Array>();
    TensorList list;
    for (uint32_t i = 0; i < array.Length(); i++) list.push_back(Tensors::tensor(array.Get(i), at));
    return list;
  }
};

template <typename Tensors>
struct Argument<double, Tensors> {
  static double from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsNumber()) fail(at, ": expected a number");
    return v.As<Napi::Number>().DoubleValue();
  }
};

template <typename Tensors>
struct Argument<int64_t, Tensors> {
  static int64_t from(const Napi::Value& v, ArgumentPlace at) {
    double d = Argument<double>::from(v, at);
    if (d != std::floor(d) || std::fabs(d) > 9007199254740991.0) {
      fail(at, ": expected an integer, got ", d);
    }
    return static_cast<int64_t>(d);
  }
};

/**
 * [absmax, code_map, nested_absmax, offset, nested_blocksize], all but absmax optional. An array, since
 * reading five elements takes half the time of five properties by name.
 */
template <typename Tensors>
struct Argument<BlockMaxima, Tensors> {
  static BlockMaxima from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsArray()) fail(at, ": expected an array that begins with absmax");
    const auto array = v.As<Napi::Array>();
    const uint32_t length = array.Length();
    const auto optional = [&](uint32_t i, const char* name) {
      return i < length ? Argument<OptionalTensor, Tensors>::from(array.Get(i), at.part(name)) : std::nullopt;
    };
    BlockMaxima maxima;
    maxima.absmax = Tensors::tensor(array.Get(uint32_t{0}), at.part("absmax"));
    maxima.code_map = optional(1, "code_map");
    maxima.nested_absmax = optional(2, "nested_absmax");
    maxima.offset = optional(3, "offset");
    if (maxima.code_map)
      maxima.nested_blocksize = Argument<int64_t>::from(array.Get(uint32_t{4}), at.part("nested_blocksize"));
    return maxima;
  }
};

template <typename Tensors>
struct Argument<bool, Tensors> {
  static bool from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsBoolean()) fail(at, ": expected a boolean");
    return v.As<Napi::Boolean>().Value();
  }
};

template <typename Tensors>
struct Argument<std::string, Tensors> {
  static std::string from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsString()) fail(at, ": expected a string");
    return v.As<Napi::String>().Utf8Value();
  }
};

template <typename Tensors>
struct Argument<Shape, Tensors> {
  static Shape from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsArray()) fail(at, ": expected an array of sizes");
    auto array = v.As<Napi::Array>();
    Shape shape;
    for (uint32_t i = 0; i < array.Length(); i++) {
      int64_t d = Argument<int64_t>::from(array.Get(i), at);
      if (d < 0) fail(at, ": negative size ", d);
      shape.push_back(d);
    }
    return shape;
  }
};

/**
 * Exports body(info) under name. What it throws becomes a JavaScript Error, except when the environment is
 * ending: JavaScript then accepts no errors, and they must not abort the process.
 */
template <typename Body>
void export_function(Napi::Object exports, const char* name, Body body) {
  const auto guarded = [body](const Napi::CallbackInfo& info) -> Napi::Value {
    try {
      return body(info);
    } catch (const Napi::Error&) {
      throw;  // already a JavaScript error
    } catch (const std::exception& e) {
      napi_throw_error(info.Env(), nullptr, e.what());
      return Napi::Value();
    }
  };
  exports.Set(name, Napi::Function::New(exports.Env(), guarded, name));
}

}  // namespace qlora
