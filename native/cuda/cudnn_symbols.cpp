#ifdef QLORA_CUDNN
#include "cuda/cudnn_symbols.h"

#include <cudnn.h>
#include <dlfcn.h>

#include "cuda/library.h"

// cuDNN's functions that cudnn-frontend calls; they call the library opened at run time. These copies are
// hidden from the process, so nothing links against libcudnn.
namespace {

struct Functions {
  decltype(&::cudnnCreate) create;
  decltype(&::cudnnSetStream) set_stream;
  decltype(&::cudnnGetStream) get_stream;
  decltype(&::cudnnGetVersion) get_version;
  decltype(&::cudnnGetErrorString) get_error_string;
  decltype(&::cudnnGetLastErrorString) get_last_error_string;
  decltype(&::cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&::cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&::cudnnBackendFinalize) finalize;
  decltype(&::cudnnBackendGetAttribute) get_attribute;
  decltype(&::cudnnBackendSetAttribute) set_attribute;
  decltype(&::cudnnBackendExecute) execute;
} functions;

}  // namespace

extern "C" {
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) { return functions.create(handle); }
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return functions.set_stream(handle, stream);
}
cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  return functions.get_stream(handle, stream);
}
size_t cudnnGetVersion() { return functions.get_version(); }
const char* cudnnGetErrorString(cudnnStatus_t status) { return functions.get_error_string(status); }
void cudnnGetLastErrorString(char* message, size_t size) { functions.get_last_error_string(message, size); }
cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* d) {
  return functions.create_descriptor(type, d);
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  return functions.destroy_descriptor(d);
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d) { return functions.finalize(d); }
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted, int64_t* found,
                                       void* values) {
  return functions.get_attribute(d, name, type, wanted, found, values);
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  return functions.set_attribute(d, name, type, count, values);
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  return functions.execute(handle, plan, pack);
}
}

namespace qlora::cuda {

namespace {

/** Opens NVRTC of one CUDA version, and the part that it opens by name itself. */
void open_compiler(const std::string& major) {
  const std::vector<std::string> wheels{"cu" + major, "cuda_nvrtc"};
  const Library compiler = open_library({"libnvrtc.so." + major}, "QLORA_NVRTC", wheels);
  int numbers[2] = {};
  reinterpret_cast<int (*)(int*, int*)>(compiler.symbol("nvrtcVersion"))(&numbers[0], &numbers[1]);
  const std::string folder = compiler.path.substr(0, compiler.path.rfind('/') + 1);
  const std::string part =
      "libnvrtc-builtins.so." + std::to_string(numbers[0]) + "." + std::to_string(numbers[1]);
  if (!dlopen((folder + part).c_str(), RTLD_NOW | RTLD_LOCAL)) open_library({part}, "QLORA_NVRTC", wheels);
}

}  // namespace

std::string load_cudnn() {
  const Library library = open_library({"libcudnn.so.9"}, "QLORA_CUDNN", {"cudnn"});
  // cuDNN opens these by name, and ends the process if cuBLASLt is missing; libraries that are already open
  // are found.
  const auto cuda =
      reinterpret_cast<decltype(&::cudnnGetCudartVersion)>(library.symbol("cudnnGetCudartVersion"));
  const std::string major = std::to_string(cuda() / 1000);
  open_library({"libcublasLt.so." + major}, "QLORA_CUBLASLT", {"cu" + major, "cublas"});
  open_compiler(major);
  const auto bind = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(library.symbol(name));
  };
  bind(functions.create, "cudnnCreate");
  bind(functions.set_stream, "cudnnSetStream");
  bind(functions.get_stream, "cudnnGetStream");
  bind(functions.get_version, "cudnnGetVersion");
  bind(functions.get_error_string, "cudnnGetErrorString");
  bind(functions.get_last_error_string, "cudnnGetLastErrorString");
  bind(functions.create_descriptor, "cudnnBackendCreateDescriptor");
  bind(functions.destroy_descriptor, "cudnnBackendDestroyDescriptor");
  bind(functions.finalize, "cudnnBackendFinalize");
  bind(functions.get_attribute, "cudnnBackendGetAttribute");
  bind(functions.set_attribute, "cudnnBackendSetAttribute");
  bind(functions.execute, "cudnnBackendExecute");
  return library.path;
}

}  // namespace qlora::cuda
#endif
