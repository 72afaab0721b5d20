#pragma once
#include <napi.h>

#include <cmath>
#include <type_traits>

#include "binding/handles.h"

namespace qlora {

/** Where an argument is, for messages. */
struct ArgumentPlace {
  const char* op;
  size_t position;
};

template <typename T>
struct Argument;

template <>
struct Argument<Tensor> {
  static Tensor from(const Napi::Value& v, ArgumentPlace at) { return unwrap_tensor(v, at.op, at.position); }
};

template <>
struct Argument<OptionalTensor> {
  static OptionalTensor from(const Napi::Value& v, ArgumentPlace at) {
    if (v.IsUndefined() || v.IsNull()) return std::nullopt;
    return unwrap_tensor(v, at.op, at.position);
  }
};

template <>
struct Argument<TensorList> {
  static TensorList from(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsArray()) fail("[", at.op, "] argument ", at.position, ": expected an array of tensor handles");
    auto array = v.As<Napi::Array>();
    TensorList list;
    for (uint32_t i = 0; i < array.Length(); i++)
      list.push_back(unwrap_tensor(array.Get(i), at.op, at.position));
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

/** Exports function under name; an Error becomes a JavaScript Error. */
inline void export_function(Napi::Object exports, const char* name,
                            Napi::Value (*function)(const Napi::CallbackInfo&)) {
  exports.Set(name, Napi::Function::New(
                        exports.Env(),
                        [function](const Napi::CallbackInfo& info) -> Napi::Value {
                          try {
                            return function(info);
                          } catch (const Error& e) {
                            throw Napi::Error::New(info.Env(), e.what());
                          }
                        },
                        name));
}

}  // namespace qlora
