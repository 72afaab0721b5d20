#include <dlfcn.h>
#include <napi.h>

#include "binding/table.h"

namespace {

/**
 * Node closes an addon together with the last worker that loaded it, while our threads still run its code.
 * This second reference keeps it in memory until the process ends.
 */
void keep_loaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&keep_loaded), &info) && info.dli_fname)
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
}

Napi::Object init(Napi::Env, Napi::Object exports) {
  keep_loaded();
  qlora::export_device_functions(exports);
  qlora::export_tensor_functions(exports);
  qlora::export_operations(exports);
  qlora::export_recording_functions(exports);
  qlora::export_size_functions(exports);
  qlora::export_ggml_functions(exports);
  qlora::export_group_functions(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(qlora, init)
