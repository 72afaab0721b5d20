#include <dlfcn.h>

#include "core/backend.h"

namespace qlora {

namespace {

using Open = Backend* (*)(int index, char* error, size_t size);

std::string library_path() {
  Dl_info info;
  const std::string addon =
      dladdr(reinterpret_cast<void*>(&library_path), &info) && info.dli_fname ? info.dli_fname : "";
  return addon.substr(0, addon.rfind('/') + 1) + "qlora-cuda.so";
}

/** The library's door; opened at the first use of a GPU and kept. */
Open load() {
  const std::string path = library_path();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fail("[device] the CUDA backend could not be opened (", dlerror(),
         "). Build it on a machine with nvcc: QLORA_CUDA=1 npm run build");
  }
  void* open = dlsym(library, "qlora_open_cuda");
  if (!open) fail("[device] ", path, " has no qlora_open_cuda; build it again: QLORA_CUDA=1 npm run build");
  return reinterpret_cast<Open>(open);
}

}  // namespace

Backend& open_cuda(int index) {
  static const Open open = load();
  char error[1024] = "";
  Backend* backend = open(index, error, sizeof error);
  if (!backend) fail(error);
  return *backend;
}

}  // namespace qlora
