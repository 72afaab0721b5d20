#include "cuda/gemm_choices.h"

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace qlora::cuda {

namespace {

std::filesystem::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache)
    return std::filesystem::path(cache) / "qlora";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : ".") / ".cache" / "qlora";
}

constexpr size_t kWords = sizeof(lt::Algo) / sizeof(uint64_t);

}  // namespace

void GemmChoices::open(const std::string& gpu, size_t cublaslt_version) {
  std::string name = gpu;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '-';
  path_ = cache_folder() / ("gemm-" + name + "-" + std::to_string(cublaslt_version) + ".txt");
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind;
    lt::Algo algo{};
    words >> kind >> std::hex;
    size_t read = 0;
    while (read < kWords && words >> algo.data[read]) read++;
    if (read == kWords) choices_[kind] = algo;
  }
}

const lt::Algo* GemmChoices::find(const std::string& kind) const {
  const auto found = choices_.find(kind);
  return found == choices_.end() ? nullptr : &found->second;
}

void GemmChoices::add(const std::string& kind, const lt::Algo& algo) {
  choices_[kind] = algo;
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
  std::ostringstream line;
  line << kind << std::hex;
  for (const uint64_t word : algo.data) line << ' ' << word;
  std::ofstream(path_, std::ios::app) << line.str() + "\n";  // one write: processes do not mix lines
}

}  // namespace qlora::cuda
