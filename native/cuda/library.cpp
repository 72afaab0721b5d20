#include "cuda/library.h"

#include <dlfcn.h>
#include <glob.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <sstream>

#include "core/error.h"

namespace qlora::cuda {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string own_folder() {
  Dl_info info;
  return dladdr(reinterpret_cast<void*>(&own_folder), &info) && info.dli_fname ? folder_of(info.dli_fname)
                                                                               : ".";
}

/** Prefixes of the Python installations this process would see. */
std::vector<std::string> python_prefixes() {
  std::vector<std::string> prefixes;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string value = environment(name); !value.empty()) prefixes.push_back(value);
  std::istringstream path(environment("PATH"));
  for (std::string folder; std::getline(path, folder, ':');)
    if (!folder.empty() && access((folder + "/python3").c_str(), X_OK) == 0)
      prefixes.push_back(folder_of(folder));
  prefixes.push_back("/usr/local");  // where Debian's python3 of /usr/bin puts what pip installs
  return prefixes;
}

std::vector<std::string> folders(const char* variable, const std::vector<std::string>& wheels) {
  std::vector<std::string> list;
  if (const std::string value = environment(variable); !value.empty()) list.push_back(value);
  list.push_back(own_folder());
  for (const std::string& prefix : python_prefixes())
    for (const std::string& wheel : wheels)
      for (const char* packages : {"site-packages", "dist-packages"})
        list.push_back(prefix + "/lib/python3*/" + packages + "/nvidia/" + wheel + "/lib");
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (const std::string value = environment(name); !value.empty()) list.push_back(value + "/lib64");
  list.push_back("/usr/local/cuda/lib64");
  return list;
}

/** Files that match a pattern, and the pattern itself where it is a file's name. */
std::vector<std::string> matches(const std::string& pattern) {
  std::vector<std::string> found;
  glob_t result{};
  if (glob(pattern.c_str(), 0, nullptr, &result) == 0)
    for (size_t i = 0; i < result.gl_pathc; i++) found.push_back(result.gl_pathv[i]);
  globfree(&result);
  return found;
}

}  // namespace

void* Library::symbol(const char* name) const {
  void* address = dlsym(handle, name);
  if (!address) fail("[cuda] ", path, " has no ", name);
  return address;
}

Library open_library(const std::vector<std::string>& names, const char* variable,
                     const std::vector<std::string>& wheels) {
  std::string searched, refused;
  const auto attempt = [&](const std::string& path) -> void* {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle && path.find('/') != std::string::npos) refused += "\n  " + std::string(dlerror());
    return handle;
  };
  for (const std::string& folder : folders(variable, wheels)) {
    searched += "\n  " + folder;
    for (const std::string& path : matches(folder))
      if (path.find(".so") != std::string::npos)
        if (void* handle = attempt(path)) return {path, handle};
    for (const std::string& name : names)
      for (const std::string& path : matches(folder + "/" + name))
        if (void* handle = attempt(path)) return {path, handle};
  }
  for (const std::string& name : names)
    if (void* handle = attempt(name)) return {name, handle};
  fail("[cuda] ", names[0], " was not found. Searched:", searched, "\n  the system's library path",
       refused.empty() ? "" : "\nRefused:", refused,
       "\nInstall NVIDIA's Python wheel (nvidia-cublas, nvidia-cudnn-cu13, nvidia-nccl-cu13) or a system "
       "package, or set ",
       variable, " to the file");
}

}  // namespace qlora::cuda
