#include "core/file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace qlora {

namespace {

constexpr size_t kLargestCall = 1u << 30;  // Linux moves at most 2 GiB a call

class File {
 public:
  explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail(path, ": cannot open: ", std::strerror(errno));
  }
  ~File() { close(fd_); }
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

void read_range(const std::string& path, uint64_t offset, void* data, size_t bytes) {
  File file(path);
#ifdef POSIX_FADV_WILLNEED  // the whole range at once: left alone, the system reads ahead in small steps
  posix_fadvise(file.fd(), static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
#endif
  size_t done = 0;
  while (done < bytes) {
    ssize_t n = pread(file.fd(), static_cast<char*>(data) + done, std::min(bytes - done, kLargestCall),
                      offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path, ": read at offset ", offset + done, " failed: ", std::strerror(errno));
    if (n == 0)
      fail(path, ": ends at offset ", offset + done, "; ", bytes - done, " more bytes were expected");
    done += static_cast<size_t>(n);
  }
}

}  // namespace qlora
