#include "io/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/files/descriptor.h"
#include "base/json.h"
#include "base/text.h"

namespace sdxl {
namespace {

struct DtypeName {
  const char* name;
  at::ScalarType type;
};

/// The reverse of the order in which the reference writer sorts tensors: it puts the widest first,
/// so that every tensor is aligned.
constexpr DtypeName kDtypes[] = {
    {"BOOL", at::kBool},
    {"U8", at::kByte},
    {"I8", at::kChar},
    {"F8_E5M2", at::kFloat8_e5m2},
    {"F8_E4M3", at::kFloat8_e4m3fn},
    {"F8_E8M0", at::kFloat8_e8m0fnu},
    {"F8_E4M3FNUZ", at::kFloat8_e4m3fnuz},
    {"F8_E5M2FNUZ", at::kFloat8_e5m2fnuz},
    {"I16", at::kShort},
    {"U16", at::kUInt16},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I32", at::kInt},
    {"U32", at::kUInt32},
    {"F32", at::kFloat},
    {"C64", at::kComplexFloat},
    {"F64", at::kDouble},
    {"I64", at::kLong},
    {"U64", at::kUInt64},
};

Error unwritable(const std::string& name, const std::string& why) {
  return Error(ExitStatus::kFailure, "cannot write the tensor ", quoted(name),
               " to a safetensors file: it ", why);
}

size_t dtype_rank(const PlannedTensor& tensor) {
  for (size_t i = 0; i < std::size(kDtypes); ++i) {
    if (kDtypes[i].type == tensor.dtype) return i;
  }
  throw unwritable(tensor.name, str("has the dtype ", c10::toString(tensor.dtype)));
}

/// Sorts by dtype, the widest first, then by name.
std::vector<const PlannedTensor*> in_file_order(const std::vector<PlannedTensor>& tensors) {
  std::vector<std::pair<size_t, const PlannedTensor*>> ranked;
  std::set<std::string_view> names = {"__metadata__"};
  for (const PlannedTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) throw unwritable(tensor.name, "occurs twice");
    ranked.emplace_back(dtype_rank(tensor), &tensor);
  }
  std::sort(ranked.begin(), ranked.end(), [](const auto& left, const auto& right) {
    if (left.first != right.first) return left.first > right.first;
    return left.second->name < right.second->name;
  });
  std::vector<const PlannedTensor*> order;
  for (const auto& [rank, tensor] : ranked) order.push_back(tensor);
  return order;
}

/// Returns length and JSON, padded with spaces so that the data starts at a multiple of 8.
std::string header_text(const std::vector<const PlannedTensor*>& order,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) text += "\"__metadata__\":" + one_line(metadata) + ",";
  uint64_t position = 0;
  for (const PlannedTensor* tensor : order) {
    const uint64_t end =
        position + c10::multiply_integers(tensor->shape) * c10::elementSize(tensor->dtype);
    const nlohmann::ordered_json entry = {{"dtype", kDtypes[dtype_rank(*tensor)].name},
                                          {"shape", tensor->shape},
                                          {"data_offsets", {position, end}}};
    text += one_line(tensor->name) + ":" + one_line(entry) + ",";
    position = end;
  }
  if (text.back() == ',') text.pop_back();
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  return length + text;
}

void write_data(AtomicFile& file, const PlannedTensor& planned) {
  constexpr size_t kChunk = size_t{64} << 20;
  const at::Tensor tensor = planned.value();
  if (tensor.scalar_type() != planned.dtype || tensor.sizes() != at::IntArrayRef(planned.shape)) {
    throw unwritable(planned.name, "differs from its plan in dtype or shape");
  }
  const at::Tensor plain = tensor.detach().resolve_conj().resolve_neg().to(at::kCPU).contiguous();
  const auto* data = static_cast<const std::byte*>(plain.const_data_ptr());
  const size_t size = plain.nbytes();
  for (size_t done = 0; done < size; done += kChunk) {
    file.write(data + done, std::min(kChunk, size - done));
  }
}

}  // namespace

struct SafetensorsFile::Mapping {
  std::byte* data = nullptr;
  size_t size = 0;

  explicit Mapping(const std::filesystem::path& path) {
    const Descriptor file(path, O_RDONLY, "open");
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw_file_error("read", path, errno);
    if (!S_ISREG(status.st_mode)) throw_file_error("map", path, EINVAL);
    if (status.st_size == 0) return;
    size = static_cast<size_t>(status.st_size);
    // Private and writable, so that tensors may be changed in place at the cost of their own pages.
    void* mapped =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.get(), 0);
    if (mapped == MAP_FAILED) throw_file_error("map", path, errno);
    data = static_cast<std::byte*>(mapped);
  }
  ~Mapping() {
    if (data != nullptr) munmap(data, size);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
};

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), mapping_(std::make_shared<Mapping>(path)) {
  const std::string_view bytes(reinterpret_cast<const char*>(mapping_->data), mapping_->size);
  header_ = parse_safetensors_header(bytes, bytes.size(), path.string());
  for (size_t i = 0; i < header_.entries.size(); ++i) index_[header_.entries[i].name] = i;
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  auto found = index_.find(name);
  if (found == index_.end()) {
    throw bad_data(path_.string(), "there is no tensor ", quoted(name));
  }
  const SafetensorsEntry& entry = header_.entries[found->second];
  const auto* dtype =
      std::find_if(std::begin(kDtypes), std::end(kDtypes),
                   [&](const DtypeName& known) { return entry.dtype == known.name; });
  if (dtype == std::end(kDtypes)) {
    throw bad_data(path_.string(), "tensor ", quoted(name), " has the unsupported dtype ",
                   entry.dtype);
  }
  const auto options = at::TensorOptions(dtype->type);
  if (entry.begin == entry.end) return at::empty(entry.shape, options);
  std::byte* data = mapping_->data + header_.data_offset + entry.begin;
  at::Tensor view = at::from_blob(
      data, entry.shape, [mapping = mapping_](void*) {}, options);
  const bool aligned = reinterpret_cast<uintptr_t>(data) % c10::elementSize(dtype->type) == 0;
  return aligned ? view : view.clone();
}

TensorMap SafetensorsFile::tensors() const {
  TensorMap result;
  for (const SafetensorsEntry& entry : header_.entries) result[entry.name] = tensor(entry.name);
  return result;
}

void SafetensorsFile::release(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return;
  const SafetensorsEntry& entry = header_.entries[found->second];
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  // Only whole pages: those at the edges contain parts of other tensors.
  const size_t begin = (header_.data_offset + entry.begin + page - 1) / page * page;
  const size_t end = (header_.data_offset + entry.end) / page * page;
  if (begin < end) madvise(mapping_->data + begin, end - begin, MADV_DONTNEED);
}

void SafetensorsFile::prefetch(const std::function<bool()>& stop) const {
  // The kernel limits a request to the device's read-ahead, 128 KiB by default.
  constexpr size_t kPiece = size_t{128} << 10;
  for (size_t at = 0; at < mapping_->size && !stop(); at += kPiece) {
    madvise(mapping_->data + at, std::min(kPiece, mapping_->size - at), MADV_WILLNEED);
  }
}

void stream_safetensors(const std::filesystem::path& path,
                        const std::vector<PlannedTensor>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  const std::vector<const PlannedTensor*> order = in_file_order(tensors);
  AtomicFile file(path);
  file.write(header_text(order, metadata));
  for (const PlannedTensor* tensor : order) write_data(file, *tensor);
  file.commit();
}

std::vector<PlannedTensor> planned(const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  std::vector<PlannedTensor> result;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) throw unwritable(name, "is undefined");
    result.push_back(
        {name, tensor.scalar_type(), tensor.sizes().vec(), [value = tensor] { return value; }});
  }
  return result;
}

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  stream_safetensors(path, planned(tensors), metadata);
}

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::function<at::Tensor(const std::string&)>& fetch) {
  std::vector<PlannedTensor> plan;
  for (const auto& [name, tensor] : tensors) {
    plan.push_back({name, tensor.scalar_type(), tensor.sizes().vec(),
                    [&fetch, key = name] { return fetch(key); }});
  }
  stream_safetensors(path, plan, {{"format", "pt"}});
}

}  // namespace sdxl
