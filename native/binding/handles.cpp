#include "binding/handles.h"

#include <unordered_set>

namespace qlora {

namespace {

/**
 * The pointers in Externals of this thread's environment. An External of another addon may point to
 * anything and must not be read. Node's type tags would show this too, but each check is a call into Node,
 * several times per operation.
 */
thread_local std::unordered_set<const void*> live_tensors, known_devices, live_recordings;

Napi::Value wrap(Napi::Env env, void* data, napi_finalize finalize) {
  napi_value external;
  if (napi_create_external(env, data, finalize, nullptr, &external) == napi_ok)
    return Napi::Value(env, external);
  if (finalize) finalize(env, data, nullptr);
  fail("[handle] the environment is ending");
}

void* unwrap(const Napi::Value& value, const std::unordered_set<const void*>& ours, const char* what,
             ArgumentPlace at) {
  void* data = nullptr;
  if (napi_get_value_external(value.Env(), value, &data) != napi_ok)
    fail(at, ": expected a ", what, " handle");
  if (ours.count(data) == 0) fail(at, ": expected a ", what, " handle of this addon, got another External");
  return data;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, ArgumentPlace at) {
  out << "[" << at.op << "] argument " << at.position;
  return at.name ? out << "." << at.name : out;
}

Napi::Value wrap_device(Napi::Env env, Backend& backend) {
  known_devices.insert(&backend);
  return wrap(env, &backend, nullptr);
}

Backend& unwrap_device(const Napi::Value& value, ArgumentPlace at) {
  return *static_cast<Backend*>(unwrap(value, known_devices, "device", at));
}

Napi::Value wrap_tensor(Napi::Env env, Tensor tensor, bool owns_bytes) {
  auto* handle = new TensorHandle;
  handle->tensor = std::move(tensor);
  // V8 is informed only about host memory: gigabytes on a GPU would make it collect garbage all the time
  // without effect.
  if (owns_bytes && handle->tensor.backend->name() == "cpu") {
    handle->external_bytes = static_cast<int64_t>(handle->tensor.bytes());
    Napi::MemoryManagement::AdjustExternalMemory(env, handle->external_bytes);
  }
  // The finalizer is a fallback for handles that were not disposed; scopes free memory long before it runs.
  const auto finalize = [](napi_env env, void* data, void*) {
    auto* handle = static_cast<TensorHandle*>(data);
    release_tensor(env, *handle);
    live_tensors.erase(handle);
    delete handle;
  };
  live_tensors.insert(handle);
  return wrap(env, handle, finalize);
}

TensorHandle& unwrap_handle(const Napi::Value& value, ArgumentPlace at) {
  return *static_cast<TensorHandle*>(unwrap(value, live_tensors, "tensor", at));
}

const Tensor& unwrap_tensor(const Napi::Value& value, ArgumentPlace at) {
  TensorHandle& handle = unwrap_handle(value, at);
  if (handle.released) {
    fail(at, ": tensor of shape ", to_string(handle.tensor.shape), " was disposed");
  }
  return handle.tensor;
}

void release_tensor(Napi::Env env, TensorHandle& handle) {
  if (handle.released) return;
  handle.released = true;
  handle.tensor.storage.reset();
  if (!handle.external_bytes) return;
  int64_t now;
  napi_adjust_external_memory(env, -handle.external_bytes, &now);
}

Napi::Value wrap_recording(Napi::Env env, RecordingHandle recording) {
  auto* handle = new RecordingHandle(std::move(recording));
  live_recordings.insert(handle);
  return wrap(env, handle, [](napi_env, void* data, void*) {
    live_recordings.erase(data);
    delete static_cast<RecordingHandle*>(data);
  });
}

RecordingHandle& unwrap_recording(const Napi::Value& value, ArgumentPlace at) {
  return *static_cast<RecordingHandle*>(unwrap(value, live_recordings, "recording", at));
}

}  // namespace qlora
