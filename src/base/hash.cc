// SHA-256 and SHA-1 through OpenSSL's EVP.
#include "base/hash.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

void check(int result) {
  if (result != 1) throw Error(ExitStatus::kFailure, "OpenSSL cannot compute a hash");
}

[[noreturn]] void throw_read_error(const std::filesystem::path& path) {
  throw Error(ExitStatus::kFileError,
              str("cannot read ", quoted(path.string()), ": ", std::strerror(errno)));
}

}  // namespace

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(HashKind kind) : state_(std::make_unique<State>()) {
  const EVP_MD* type = kind == HashKind::kSha1 ? EVP_sha1() : EVP_sha256();
  check(EVP_DigestInit_ex(state_->context, type, nullptr));
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

std::string sha256_of_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw_read_error(path);
  Hasher hasher;
  std::vector<char> buffer(size_t{1} << 20);
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      ::close(descriptor);
      errno = error;
      throw_read_error(path);
    }
    if (count == 0) break;
    hasher.update(buffer.data(), size_t(count));
  }
  ::close(descriptor);
  return hasher.hex();
}

}  // namespace sdxl
