#include <cstring>

#include "binding/arguments.h"
#include "binding/promise.h"
#include "binding/recorder.h"
#include "binding/table.h"

namespace qlora {

namespace {

Napi::Value make_tensor(const Napi::CallbackInfo& info, const char* op,
                        Tensor (Backend::*empty)(DType, Shape)) {
  Backend& backend = unwrap_device(info[0], {op, 0});
  DType dtype = dtype_from_name(Argument<std::string>::from(info[1], {op, 1}));
  return wrap_tensor(info.Env(), (backend.*empty)(dtype, Argument<Shape>::from(info[2], {op, 2})), true);
}

/** tensor_empty(device, dtype, shape) */
Napi::Value tensor_empty(const Napi::CallbackInfo& info) {
  return make_tensor(info, "tensor_empty", &Backend::empty);
}

/** tensor_empty_pinned(device, dtype, shape) */
Napi::Value tensor_empty_pinned(const Napi::CallbackInfo& info) {
  return make_tensor(info, "tensor_empty_pinned", &Backend::empty_pinned);
}

/** tensor_view(tensor, dtype, shape, byte_offset): same bytes, nothing copied. */
Napi::Value tensor_view(const Napi::CallbackInfo& info) {
  Tensor view = Argument<Tensor>::from(info[0], {"tensor_view", 0});
  size_t available = view.bytes();
  view.dtype = dtype_from_name(Argument<std::string>::from(info[1], {"tensor_view", 1}));
  view.shape = Argument<Shape>::from(info[2], {"tensor_view", 2});
  int64_t offset = Argument<int64_t>::from(info[3], {"tensor_view", 3});
  if (offset < 0 || static_cast<size_t>(offset) + view.bytes() > available) {
    fail("[tensor_view] shape ", to_string(view.shape), " ", name_of(view.dtype), " at byte ", offset,
         " needs ", view.bytes(), " bytes; the tensor has ", available);
  }
  if (static_cast<size_t>(offset) % size_of(view.dtype) != 0) {
    fail("[tensor_view] byte offset ", offset, " is not a multiple of the size of ", name_of(view.dtype));
  }
  view.byte_offset += static_cast<size_t>(offset);
  return wrap_tensor(info.Env(), std::move(view), false);
}

Napi::Value tensor_release(const Napi::CallbackInfo& info) {
  release_tensor(info.Env(), unwrap_handle(info[0], {"tensor_release", 0}));
  return info.Env().Undefined();
}

/** tensor_write(tensor, bytes): copies the bytes now, writes them in the order of the queue. */
Napi::Value tensor_write(const Napi::CallbackInfo& info) {
  refuse_while_recording("tensor_write");
  Tensor tensor = Argument<Tensor>::from(info[0], {"tensor_write", 0});
  if (!info[1].IsTypedArray()) fail("[tensor_write] argument 1: expected a Uint8Array");
  auto array = info[1].As<Napi::TypedArray>();
  if (array.ByteLength() != tensor.bytes()) {
    fail("[tensor_write] expected ", tensor.bytes(), " bytes for shape ", to_string(tensor.shape), " ",
         name_of(tensor.dtype), ", got ", array.ByteLength());
  }
  const char* source = static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  auto bytes = std::make_shared<std::string>(source, array.ByteLength());
  tensor.backend->submit("tensor_write", [tensor, bytes] {
    tensor.backend->upload(tensor.data<char>(), bytes->data(), bytes->size());
  });
  return info.Env().Undefined();
}

/** tensor_read(tensor) -> Promise<ArrayBuffer> */
Napi::Value tensor_read(const Napi::CallbackInfo& info) {
  refuse_while_recording("tensor_read");
  Tensor tensor = Argument<Tensor>::from(info[0], {"tensor_read", 0});
  auto bytes = std::make_shared<std::string>();
  return finish_as_promise(
      info.Env(), *tensor.backend,
      [tensor, bytes] {
        bytes->resize(tensor.bytes());
        tensor.backend->download(bytes->data(), tensor.data<char>(), bytes->size());
      },
      [bytes](Napi::Env env) -> Napi::Value {
        auto buffer = Napi::ArrayBuffer::New(env, bytes->size());
        std::memcpy(buffer.Data(), bytes->data(), bytes->size());
        return buffer;
      });
}

/** tensor_read_file(tensor, path, offset) -> Promise: fills the tensor from a byte range of a file. */
Napi::Value tensor_read_file(const Napi::CallbackInfo& info) {
  refuse_while_recording("tensor_read_file");
  Tensor tensor = Argument<Tensor>::from(info[0], {"tensor_read_file", 0});
  std::string path = Argument<std::string>::from(info[1], {"tensor_read_file", 1});
  int64_t offset = Argument<int64_t>::from(info[2], {"tensor_read_file", 2});
  if (offset < 0) fail("[tensor_read_file] negative offset ", offset);
  return as_promise(
      info.Env(), [&](Done done) { tensor.backend->read_file(tensor, path, offset, std::move(done)); },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void export_tensor_functions(Napi::Object exports) {
  export_function(exports, "tensor_empty", tensor_empty);
  export_function(exports, "tensor_empty_pinned", tensor_empty_pinned);
  export_function(exports, "tensor_view", tensor_view);
  export_function(exports, "tensor_release", tensor_release);
  export_function(exports, "tensor_write", tensor_write);
  export_function(exports, "tensor_read", tensor_read);
  export_function(exports, "tensor_read_file", tensor_read_file);
}

}  // namespace qlora
