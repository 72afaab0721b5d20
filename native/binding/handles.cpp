#include "binding/handles.h"

namespace qlora {

Napi::Value wrap_tensor(Napi::Env env, Tensor tensor, bool owns_bytes) {
  auto* handle = new TensorHandle;
  handle->tensor = std::move(tensor);
  // V8 is told of host memory only: gigabytes on a GPU would make it collect garbage all the time for
  // nothing.
  if (owns_bytes && handle->tensor.backend->name() == "cpu") {
    handle->external_bytes = static_cast<int64_t>(handle->tensor.bytes());
    Napi::MemoryManagement::AdjustExternalMemory(env, handle->external_bytes);
  }
  // The finalizer is a net for handles that nobody disposed; scopes free memory long before it runs.
  return Napi::External<TensorHandle>::New(env, handle, [](Napi::Env e, TensorHandle* h) {
    release_tensor(e, *h);
    delete h;
  });
}

TensorHandle& unwrap_handle(const Napi::Value& value, const char* op, size_t position) {
  if (!value.IsExternal()) fail("[", op, "] argument ", position, ": expected a tensor handle");
  auto* handle = value.As<Napi::External<TensorHandle>>().Data();
  if (!handle || handle->magic != TensorHandle::kMagic)
    fail("[", op, "] argument ", position, ": expected a tensor handle of this addon");
  return *handle;
}

const Tensor& unwrap_tensor(const Napi::Value& value, const char* op, size_t position) {
  TensorHandle& handle = unwrap_handle(value, op, position);
  if (handle.released) {
    fail("[", op, "] argument ", position, ": tensor of shape ", to_string(handle.tensor.shape),
         " was disposed");
  }
  return handle.tensor;
}

void release_tensor(Napi::Env env, TensorHandle& handle) {
  if (handle.released) return;
  handle.released = true;
  handle.tensor.storage.reset();
  if (handle.external_bytes) Napi::MemoryManagement::AdjustExternalMemory(env, -handle.external_bytes);
}

}  // namespace qlora
