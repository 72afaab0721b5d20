#pragma once
#include <tuple>
#include <utility>

#include "binding/arguments.h"
#include "binding/recorder.h"
#include "core/check/checks.h"

namespace qlora {

/** The one device of all tensor arguments; throws when they are on different ones. */
class DeviceOf {
 public:
  explicit DeviceOf(const char* op) : op_(op) {}
  void see(const Tensor& t) {
    if (backend_ && t.backend != backend_) fail("[", op_, "] tensors live on different devices");
    backend_ = t.backend;
  }
  void see(const OptionalTensor& t) {
    if (t) see(*t);
  }
  void see(const BlockMaxima& maxima) {
    see(maxima.absmax);
    see(maxima.code_map);
    see(maxima.nested_absmax);
    see(maxima.offset);
  }
  void see(const TensorList& list) {
    for (const Tensor& t : list) see(t);
  }
  template <typename T>
  void see(const T&) {}
  Backend& get() const {
    if (!backend_) fail("[", op_, "] no tensor argument");
    return *backend_;
  }

 private:
  const char* op_;
  Backend* backend_ = nullptr;
};

template <typename... A, size_t... I>
void submit_operation(const char* name, void (Ops::*method)(A...), const Napi::CallbackInfo& info,
                      std::index_sequence<I...>) {
  if (info.Length() != sizeof...(A)) {
    fail("[", name, "] expected ", sizeof...(A), " arguments, got ", info.Length());
  }
  std::tuple<std::decay_t<A>...> arguments{
      Argument<std::decay_t<A>>::from(info[I], ArgumentPlace{name, I})...};
  static Checks checks;
  (checks.*method)(std::get<I>(arguments)...);
  DeviceOf device(name);
  (device.see(std::get<I>(arguments)), ...);
  Backend& backend = device.get();
  enqueue(backend, name, [&backend, method, arguments = std::move(arguments)]() {
    (backend.ops().*method)(std::get<I>(arguments)...);
  });
}

/** Exports an operation as exports[name](...arguments): check, convert, submit. Returns undefined at once. */
template <typename... A>
void export_operation(Napi::Object exports, const char* name, void (Ops::*method)(A...)) {
  export_function(exports, name, [name, method](const Napi::CallbackInfo& info) {
    submit_operation(name, method, info, std::index_sequence_for<A...>{});
    return Napi::Value();
  });
}

}  // namespace qlora
