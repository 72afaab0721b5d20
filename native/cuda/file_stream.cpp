#include "cuda/file_stream.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/file_io.h"
#include "cuda/error.h"

namespace qlora::cuda {

namespace {

constexpr size_t kPiece = 8u << 20;
constexpr auto kIdle = std::chrono::milliseconds(200);

unsigned thread_count() { return std::clamp(std::thread::hardware_concurrency() / 2, 2u, 8u); }

}  // namespace

/** The two buffers of a thread, used alternately. */
class FileStream::Buffers {
 public:
  struct Buffer {
    void* data = nullptr;
    cudaEvent_t copied = nullptr;
  };

  ~Buffers() { release(); }

  /** The next buffer, after its last copy has ended. */
  Buffer& next() {
    Buffer& buffer = buffers_[turn_ ^= 1];
    if (!buffer.data) {
      check(cudaHostAlloc(&buffer.data, kPiece, cudaHostAllocPortable), "[tensor_read_file] pinned memory");
      check(cudaEventCreateWithFlags(&buffer.copied, cudaEventDisableTiming | cudaEventBlockingSync),
            "[tensor_read_file] event");
    }
    check(cudaEventSynchronize(buffer.copied), "[tensor_read_file] upload");
    return buffer;
  }

  bool held() const { return buffers_[0].data || buffers_[1].data; }

  void release() {
    for (Buffer& buffer : buffers_) {
      if (buffer.copied) cudaEventSynchronize(buffer.copied);
      if (buffer.copied) cudaEventDestroy(buffer.copied);
      if (buffer.data) cudaFreeHost(buffer.data);
      buffer = {};
    }
  }

 private:
  Buffer buffers_[2];
  int turn_ = 0;
};

void FileStream::read(const std::string& path, uint64_t offset, char* to, size_t bytes, Done done) {
  const size_t pieces = (bytes + kPiece - 1) / kPiece;
  if (pieces == 0) return done("");
  auto request = std::make_shared<Request>(Request{path, std::move(done), pieces, ""});
  {
    std::lock_guard lock(mutex_);
    for (size_t begin = 0; begin < bytes; begin += kPiece)
      queue_.push_back({request, offset + begin, to + begin, std::min(kPiece, bytes - begin)});
    if (!started_)
      for (unsigned i = 0; i < thread_count(); i++) std::thread([this] { run(); }).detach();
    started_ = true;
  }
  wake_.notify_all();
}

void FileStream::run() {
  cudaSetDevice(device_);
  Buffers buffers;
  const auto ready = [this] { return !queue_.empty(); };
  for (;;) {
    Piece piece;
    {
      std::unique_lock lock(mutex_);
      if (buffers.held() && !wake_.wait_for(lock, kIdle, ready)) {
        lock.unlock();
        buffers.release();
        lock.lock();
      }
      wake_.wait(lock, ready);
      piece = std::move(queue_.front());
      queue_.pop_front();
    }
    std::string error;
    try {
      transfer(piece, buffers);
    } catch (const std::exception& e) {
      error = e.what();
    }
    complete(piece, error);
  }
}

void FileStream::transfer(const Piece& piece, Buffers& buffers) {
  {
    std::lock_guard lock(mutex_);
    if (!piece.request->error.empty()) return;  // another piece of the request failed
  }
  Buffers::Buffer& buffer = buffers.next();
  read_range(piece.request->path, piece.offset, buffer.data, piece.bytes);
  copy_(piece.to, buffer.data, piece.bytes, buffer.copied);
}

void FileStream::complete(const Piece& piece, const std::string& error) {
  Request& request = *piece.request;
  {
    std::lock_guard lock(mutex_);
    if (request.error.empty()) request.error = error;
    if (--request.pieces > 0) return;
  }
  Done done = std::move(request.done);  // frees what it holds now, not with the last piece
  done(request.error);
}

}  // namespace qlora::cuda
