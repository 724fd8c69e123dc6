#include "base/hash.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/error.h"
#include "base/files/descriptor.h"

namespace sdxl {
namespace {

void check(int result) {
  if (result != 1) throw Error(ExitStatus::kFailure, "OpenSSL cannot compute a hash");
}

/// Fetched once: looking an algorithm up takes longer than hashing a short text.
const EVP_MD* algorithm(HashKind kind) {
  static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kind == HashKind::kSha1 ? sha1 : sha256;
}

}  // namespace

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(HashKind kind) : state_(std::make_unique<State>()) {
  check(EVP_DigestInit_ex(state_->context, algorithm(kind), nullptr));
}

Hasher::~Hasher() = default;

Hasher& Hasher::update(const void* data, size_t size) {
  check(EVP_DigestUpdate(state_->context, data, size));
  return *this;
}

std::string Hasher::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  check(EVP_DigestFinal_ex(state_->context, digest.data(), &size));
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

std::string sha256(std::string_view bytes) { return Hasher().update(bytes).hex(); }

std::array<unsigned char, 32> sha256_digest(std::string_view bytes) {
  std::array<unsigned char, 32> digest;
  check(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, algorithm(HashKind::kSha256),
                   nullptr));
  return digest;
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY, "read");
  Hasher hasher;
  std::vector<char> buffer(size_t{1} << 20);
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error("read", path, errno);
    if (count == 0) return hasher.hex();
    hasher.update(buffer.data(), static_cast<size_t>(count));
  }
}

}  // namespace sdxl
