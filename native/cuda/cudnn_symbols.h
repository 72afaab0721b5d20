#pragma once
#include <string>

namespace qlora::cuda {

/** Opens libcudnn and binds the functions that cudnn_symbols.cpp defines to it; returns the file's path.
 * Throws listing the places searched. */
std::string load_cudnn();

}  // namespace qlora::cuda
