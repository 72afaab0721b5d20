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
 * Reads files into device memory. Its own threads read pieces into page-locked buffers, two per thread, and
 * pass them to the device's stream, so that the disk and the bus work at the same time and no other thread
 * waits. The buffers are freed when nothing was read for a short time.
 */
class FileStream {
 public:
  using Done = std::function<void(const std::string& error)>;
  /** Enqueues a copy to the device on its stream, followed by the event `copied`. */
  using Copy = std::function<void(void* to, const void* from, size_t bytes, cudaEvent_t copied)>;

  FileStream(int device, Copy copy) : device_(device), copy_(std::move(copy)) {}
  /** One of the threads calls `done` when the last piece is in the stream, or at the first error. */
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
