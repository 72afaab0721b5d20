#pragma once
#include <map>
#include <string>

#include "cuda/cublaslt.h"

namespace qlora::cuda {

/**
 * Which cuBLASLt algorithm was the fastest for which kind of product, remembered in a file for one GPU model
 * and one version of cuBLASLt: `$XDG_CACHE_HOME/qlora` or `~/.cache/qlora`. A file that cannot be read or
 * written is no error.
 */
class GemmChoices {
 public:
  void open(const std::string& gpu, size_t cublaslt_version);
  const lt::Algo* find(const std::string& kind) const;
  void add(const std::string& kind, const lt::Algo& algo);

 private:
  std::string path_;
  std::map<std::string, lt::Algo> choices_;
};

}  // namespace qlora::cuda
