#include <dlfcn.h>
#include <unistd.h>

#include "core/backend.h"

namespace qlora {

namespace {

using Open = Backend* (*)(int index, char* error, size_t size);
using Count = int (*)(char* error, size_t size);

std::string library_path() {
  Dl_info info;
  const std::string addon =
      dladdr(reinterpret_cast<void*>(&library_path), &info) && info.dli_fname ? info.dli_fname : "";
  return addon.substr(0, addon.rfind('/') + 1) + "qlora-cuda.so";
}

/** Opened at the first use of a GPU; stays open. */
void* load() {
  const std::string path = library_path();
  // On most machines it was never built; the warning, which notebooks store, must not contain folder names.
  if (access(path.c_str(), F_OK) != 0) {
    fail("[device] this build has no CUDA backend: npm run build, where there is nvcc");
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fail("[device] the CUDA backend could not be opened (", dlerror(),
         "). Build it on a machine with nvcc: npm run build");
  }
  return library;
}

void* door(const char* name) {
  static void* const library = load();
  void* symbol = dlsym(library, name);
  if (!symbol) fail("[device] ", library_path(), " has no ", name, "; build it again: npm run build");
  return symbol;
}

}  // namespace

Backend& open_cuda(int index) {
  static const auto open = reinterpret_cast<Open>(door("qlora_open_cuda"));
  char error[1024] = "";
  Backend* backend = open(index, error, sizeof error);
  if (!backend) fail(error);
  return *backend;
}

int cuda_device_count() {
  static const auto count = reinterpret_cast<Count>(door("qlora_cuda_device_count"));
  char error[1024] = "";
  const int n = count(error, sizeof error);
  if (n < 0) fail(error);
  return n;
}

}  // namespace qlora
