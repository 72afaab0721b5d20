#pragma once
#include <string>

namespace qlora::cuda {

/**
 * Opens libcudnn and binds the functions in cudnn_symbols.cpp to it; returns the file's path. Throws
 * listing the places searched.
 */
std::string load_cudnn();

}  // namespace qlora::cuda
