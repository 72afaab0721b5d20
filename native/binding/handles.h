#pragma once
#include <napi.h>

#include "core/backend.h"

namespace qlora {

/** What a JavaScript tensor handle (an External) points to. */
struct TensorHandle {
  static constexpr uint64_t kMagic = 0x716c6f7261746e73;
  uint64_t magic = kMagic;
  Tensor tensor;
  bool released = false;
  int64_t external_bytes = 0;  // what V8 was told
};

Napi::Value wrap_tensor(Napi::Env env, Tensor tensor, bool owns_bytes);
TensorHandle& unwrap_handle(const Napi::Value& value, const char* op, size_t position);
/** The tensor of a live handle; throws "[op] argument i: ..." for anything else. */
const Tensor& unwrap_tensor(const Napi::Value& value, const char* op, size_t position);
void release_tensor(Napi::Env env, TensorHandle& handle);

}  // namespace qlora
