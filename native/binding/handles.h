#pragma once
#include <napi.h>

#include <ostream>

#include "core/backend.h"

namespace qlora {

/** The object that a JavaScript tensor handle (an External) points to. */
struct TensorHandle {
  Tensor tensor;
  bool released = false;
  int64_t external_bytes = 0;  // the size reported to V8
};

/**
 * The place of an argument, or of a part of it, for messages: "[op] argument 2: ...", "[op] argument
 * 2.absmax: ...".
 */
struct ArgumentPlace {
  const char* op;
  size_t position;
  const char* name = nullptr;  // name of the part

  ArgumentPlace part(const char* of) const { return {op, position, of}; }
};
std::ostream& operator<<(std::ostream& out, ArgumentPlace at);

Napi::Value wrap_device(Napi::Env env, Backend& backend);
Backend& unwrap_device(const Napi::Value& value, ArgumentPlace at);

Napi::Value wrap_tensor(Napi::Env env, Tensor tensor, bool owns_bytes);
TensorHandle& unwrap_handle(const Napi::Value& value, ArgumentPlace at);
/** The tensor of a live handle; throws for anything else. */
const Tensor& unwrap_tensor(const Napi::Value& value, ArgumentPlace at);
void release_tensor(Napi::Env env, TensorHandle& handle);

/** The object that a JavaScript recording handle points to; its recording is null after release. */
struct RecordingHandle {
  Backend* backend;
  std::shared_ptr<Recording> recording;
};
Napi::Value wrap_recording(Napi::Env env, RecordingHandle recording);
RecordingHandle& unwrap_recording(const Napi::Value& value, ArgumentPlace at);

}  // namespace qlora
