#include "cuda/faults.h"

#include <sstream>

namespace qlora::cuda {

std::string describe(const Fault& fault) {
  std::ostringstream text;
  switch (fault.kind) {
    case FaultKind::none:
      break;
    case FaultKind::gather_rows:
      text << "[gather_rows] index[" << fault.index << "] is " << fault.value << "; x has " << fault.limit
           << " rows";
      break;
    case FaultKind::scatter_rows:
      text << "[scatter_rows] index[" << fault.index << "] is " << fault.value << "; out has " << fault.limit
           << " rows";
      break;
    case FaultKind::add_rows:
      text << "[add_rows] index[" << fault.index << "] is " << fault.value << "; out has " << fault.limit
           << " rows";
      break;
    case FaultKind::label:
      text << "[cross_entropy] labels[" << fault.index << "] is " << fault.value << "; expected -100 or 0 to "
           << fault.limit - 1;
      break;
    case FaultKind::cu_start:
      text << "[attention] cu_seqlens: expected to start at 0, got " << fault.value;
      break;
    case FaultKind::cu_order:
      text << "[attention] cu_seqlens: " << fault.value << " after " << fault.limit << " at index "
           << fault.index;
      break;
    case FaultKind::cu_end:
      text << "[attention] cu_seqlens: expected to end at " << fault.limit << " tokens, got " << fault.value;
      break;
    case FaultKind::cu_length:
      text << "[attention] cu_seqlens: sequence " << fault.index << " has " << fault.value
           << " tokens, more than max_length " << fault.limit;
      break;
  }
  return text.str();
}

}  // namespace qlora::cuda
