// CRC-32C (Castagnoli polynomial), as TFRecord files and iSCSI (RFC 3720) use it.
#pragma once

#include <cstdint>
#include <string_view>

namespace sdxl {

/// The checksum of `bytes`, without the mask that TFRecord adds.
uint32_t crc32c(std::string_view bytes);

}  // namespace sdxl
