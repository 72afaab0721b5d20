#pragma once
#include <string>
#include <vector>

namespace qlora::cuda {

/** An NVIDIA library opened at run time; it stays open. */
struct Library {
  std::string path;
  void* handle;
  /** Throws when the library has no such symbol. */
  void* symbol(const char* name) const;
};

/**
 * Opens the first of `names` that is found. Searched in this order: the file or folder in the environment
 * variable; beside this library; the wheels' folders nvidia/<wheel>/lib in the site-packages of
 * VIRTUAL_ENV, CONDA_PREFIX and every python3 on PATH; the CUDA toolkit (CUDA_HOME, CUDA_PATH,
 * /usr/local/cuda); the system's own search. Throws listing these places.
 */
Library open_library(const std::vector<std::string>& names, const char* variable,
                     const std::vector<std::string>& wheels);

}  // namespace qlora::cuda
