#pragma once
#include <napi.h>

#include <cmath>
#include <type_traits>

#include "binding/handles.h"

namespace qlora {

template <typename T>
struct Argument;

template <>
struct Argument<Tensor> {
  static Tensor from(const Napi::Value& v, ArgumentPlace at) { return unwrap_tensor(v, at); }
};

template <>
struct Argument<OptionalTensor> {
  static OptionalTensor from(const Napi::Value& v, ArgumentPlace at) {
    if (v.IsUndefined() || v.IsNull()) return std::nullopt;
    return unwrap_tensor(v, at);
  }
};

template <>
struct Argument<TensorList> {
  static TensorList from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsArray()) fail("[", at.op, "] argument ", at.position, ": expected an array of tensor handles");
    auto array = v.As<Napi::Array>();
    TensorList list;
    for (uint32_t i = 0; i < array.Length(); i++) list.push_back(unwrap_tensor(array.Get(i), at));
    return list;
  }
};

template <>
struct Argument<double> {
  static double from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsNumber()) fail("[", at.op, "] argument ", at.position, ": expected a number");
    return v.As<Napi::Number>().DoubleValue();
  }
};

template <>
struct Argument<int64_t> {
  static int64_t from(const Napi::Value& v, ArgumentPlace at) {
    double d = Argument<double>::from(v, at);
    if (d != std::floor(d) || std::fabs(d) > 9007199254740991.0) {
      fail("[", at.op, "] argument ", at.position, ": expected an integer, got ", d);
    }
    return static_cast<int64_t>(d);
  }
};

template <>
struct Argument<bool> {
  static bool from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsBoolean()) fail("[", at.op, "] argument ", at.position, ": expected a boolean");
    return v.As<Napi::Boolean>().Value();
  }
};

template <>
struct Argument<std::string> {
  static std::string from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsString()) fail("[", at.op, "] argument ", at.position, ": expected a string");
    return v.As<Napi::String>().Utf8Value();
  }
};

template <>
struct Argument<Shape> {
  static Shape from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsArray()) fail("[", at.op, "] argument ", at.position, ": expected an array of sizes");
    auto array = v.As<Napi::Array>();
    Shape shape;
    for (uint32_t i = 0; i < array.Length(); i++) {
      int64_t d = Argument<int64_t>::from(array.Get(i), at);
      if (d < 0) fail("[", at.op, "] argument ", at.position, ": negative size ", d);
      shape.push_back(d);
    }
    return shape;
  }
};

/**
 * Exports body(info) under name. What it throws becomes a JavaScript Error, unless the environment is ending:
 * then JavaScript takes no error any more, and none is to end the process.
 */
template <typename Body>
void export_function(Napi::Object exports, const char* name, Body body) {
  const auto guarded = [body](const Napi::CallbackInfo& info) -> Napi::Value {
    try {
      return body(info);
    } catch (const Napi::Error&) {
      throw;  // has a JavaScript error already
    } catch (const std::exception& e) {
      napi_throw_error(info.Env(), nullptr, e.what());
      return Napi::Value();
    }
  };
  exports.Set(name, Napi::Function::New(exports.Env(), guarded, name));
}

}  // namespace qlora
