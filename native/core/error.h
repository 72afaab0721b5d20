#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace qlora {

/** What the caller did wrong or the machine could not give; becomes a JavaScript Error with this text. */
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** Throws Error with the parts streamed into one message. Messages begin with the operation in brackets. */
template <typename... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(text.str());
}

}  // namespace qlora
