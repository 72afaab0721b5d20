#include "binding/arguments.h"
#include "binding/promise.h"
#include "binding/recorder.h"
#include "binding/table.h"

namespace qlora {

namespace {

Backend& device_argument(const Napi::CallbackInfo& info, const char* op) {
  return unwrap_device(info[0], {op, 0});
}

Napi::Value open_device(const Napi::CallbackInfo& info) {
  return wrap_device(info.Env(), open_backend(Argument<std::string>::from(info[0], {"open_device", 0})));
}

Napi::Value count_cuda_devices(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), cuda_device_count());
}

Napi::Value device_info(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), device_argument(info, "device_info").info());
}

Napi::Value set_num_threads(const Napi::CallbackInfo& info) {
  int64_t n = Argument<int64_t>::from(info[1], {"set_num_threads", 1});
  if (n < 1 || n > 256) fail("[set_num_threads] expected 1 to 256, got ", n);
  device_argument(info, "set_num_threads").set_num_threads(static_cast<int>(n));
  return info.Env().Undefined();
}

Napi::Value memory_stats(const Napi::CallbackInfo& info) {
  Backend& backend = device_argument(info, "memory_stats");
  MemoryStats stats = backend.allocator().stats();
  const bool has_pinned = &backend.pinned_allocator() != &backend.allocator();
  auto object = Napi::Object::New(info.Env());
  object.Set("allocated", static_cast<double>(stats.allocated));
  object.Set("peak", static_cast<double>(stats.peak));
  object.Set("reserved", static_cast<double>(stats.reserved));
  object.Set("pinned", has_pinned ? static_cast<double>(backend.pinned_allocator().stats().allocated) : 0.0);
  return object;
}

Napi::Value reset_peak_memory(const Napi::CallbackInfo& info) {
  Backend& backend = device_argument(info, "reset_peak_memory");
  backend.submit("reset_peak_memory", [&backend] { backend.allocator().reset_peak(); });
  return info.Env().Undefined();
}

Napi::Value empty_cache(const Napi::CallbackInfo& info) {
  Backend& backend = device_argument(info, "empty_cache");
  backend.submit("empty_cache", [&backend] {
    backend.allocator().empty_cache();
    backend.pinned_allocator().empty_cache();
  });
  return info.Env().Undefined();
}

Napi::Value synchronize(const Napi::CallbackInfo& info) {
  refuse_while_recording("synchronize");
  return finish_as_promise(info.Env(), device_argument(info, "synchronize"), nullptr,
                           [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void export_device_functions(Napi::Object exports) {
  export_function(exports, "open_device", open_device);
  export_function(exports, "cuda_device_count", count_cuda_devices);
  export_function(exports, "device_info", device_info);
  export_function(exports, "set_num_threads", set_num_threads);
  export_function(exports, "memory_stats", memory_stats);
  export_function(exports, "reset_peak_memory", reset_peak_memory);
  export_function(exports, "empty_cache", empty_cache);
  export_function(exports, "synchronize", synchronize);
}

}  // namespace qlora
