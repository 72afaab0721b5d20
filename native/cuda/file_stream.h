#pragma once
#include <cuda_runtime.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace qlora::cuda {

/**
 * Reads files into device memory. Threads of its own read pieces into page-locked buffers, two each, and hand
 * them to the device's stream, so that the disk and the bus work at the same time and nobody else waits. The
 * buffers are given back when nothing was read for a moment.
 */
class FileStream {
 public:
  using Done = std::function<void(const std::string& error)>;
  /** Puts a copy to the device into its stream, and `copied` behind it. */
  using Copy = std::function<void(void* to, const void* from, size_t bytes, cudaEvent_t copied)>;

  FileStream(int device, Copy copy) : device_(device), copy_(std::move(copy)) {}
  /** `done` is called by one of the threads when the last piece is in the stream, or at the first fault. */
  void read(const std::string& path, uint64_t offset, char* to, size_t bytes, Done done);

 private:
  struct Request {
    std::string path;
    Done done;
    size_t pieces;
    std::string error;
  };
  struct Piece {
    std::shared_ptr<Request> request;
    uint64_t offset;
    char* to;
    size_t bytes;
  };
  class Buffers;

  void run();
  void transfer(const Piece& piece, Buffers& buffers);
  void complete(const Piece& piece, const std::string& error);

  const int device_;
  const Copy copy_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Piece> queue_;
  bool started_ = false;
};

}  // namespace qlora::cuda
