#include <napi.h>

#include "binding/table.h"

static Napi::Object init(Napi::Env, Napi::Object exports) {
  qlora::export_device_functions(exports);
  qlora::export_tensor_functions(exports);
  qlora::export_operations(exports);
  return exports;
}

NODE_API_MODULE(qlora, init)
