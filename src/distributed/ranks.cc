#include "distributed/ranks.h"

#include <exception>
#include <random>

#include "base/files/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"

namespace sdxl {
namespace {

class NoTransfer : public Transfer {
 public:
  void wait() override {}
};

std::string build_text() {
  static const std::string text = str(version(), " ", sha256_of_file("/proc/self/exe"));
  return text;
}

}  // namespace

std::unique_ptr<Transfer> Ranks::start_all_reduce(const at::Tensor&) {
  return std::make_unique<NoTransfer>();
}

std::unique_ptr<Transfer> Ranks::start_reduce(const at::Tensor&, int64_t) {
  return std::make_unique<NoTransfer>();
}

std::unique_ptr<Transfer> Ranks::start_broadcast(const at::Tensor&, int64_t) {
  return std::make_unique<NoTransfer>();
}

std::string Ranks::broadcast_text(const std::string& text, int64_t from) {
  return all_gather_text(text).at(from);
}

at::Tensor Ranks::send_to_first(const at::Tensor& tensor, const at::Tensor&, int64_t) {
  return tensor;
}

std::vector<Json> all_gather_json(Ranks& ranks, const Json& value) {
  std::vector<Json> values;
  for (const std::string& text : ranks.all_gather_text(one_line(value))) {
    values.push_back(parse_json(text, str("rank ", values.size())));
  }
  return values;
}

void require_equal_options(Ranks& ranks, const Json& options) {
  if (ranks.is_single()) return;
  const Json mine = {{"build", build_text()}, {"options", options}};
  const std::string text = one_line(mine);
  const std::vector<std::string> hashes = ranks.all_gather_text(sha256(text));
  const std::string first = ranks.broadcast_text(text);
  for (int64_t rank = 1; rank < ranks.size(); ++rank) {
    if (hashes[rank] == hashes[0]) continue;
    const Json one = parse_json(first, "rank 0"),
               other = parse_json(ranks.broadcast_text(text, rank), "");
    if (one["build"] != other["build"]) {
      throw Error(ExitStatus::kUsage, "rank ", rank,
                  " runs another build of sdxl than rank 0: start the same binary on all machines");
    }
    for (const auto& [name, value] : one["options"].items()) {
      const Json& there = other["options"][name];
      if (there == value) continue;
      throw Error(ExitStatus::kUsage, "rank ", rank, " has --", name, " ", escaped(one_line(there)),
                  " where rank 0 has ", escaped(one_line(value)),
                  ": start all ranks with the same options");
    }
    throw Error(ExitStatus::kUsage, "rank ", rank,
                " has other options than rank 0: start all ranks with the same options");
  }
}

void require_equal_texts(Ranks& ranks, const char* what, const std::string& text) {
  if (ranks.is_single()) return;
  const std::vector<std::string> texts = ranks.all_gather_text(text);
  for (int64_t rank = 1; rank < ranks.size(); ++rank) {
    if (texts[rank] == texts[0]) continue;
    throw Error(ExitStatus::kBadData, "rank ", rank, " has another ", what, " than rank 0 (",
                escaped(texts[rank]), ", ", escaped(texts[0]), "): give all ranks the same files");
  }
}

uint64_t draw_seed(Ranks& ranks) {
  const std::string seed = ranks.broadcast_text(std::to_string(std::random_device{}()));
  log::info("seed " + seed);
  return std::stoull(seed);
}

ExitStatus run_on_ranks(Ranks& ranks, const std::function<ExitStatus()>& work) {
  if (ranks.is_single()) return work();
  try {
    const ExitStatus status = work();
    ranks.barrier();
    ranks.finish();
    return status;
  } catch (const RankLost& error) {
    ranks.abort(error.status(), error.what());
    throw;
  } catch (const Error& error) {
    ranks.abort(error.status(), error.what());
    throw Error(error.status(), str("rank ", ranks.rank(), ": ", error.what()));
  } catch (const std::bad_alloc&) {
    ranks.abort(ExitStatus::kOutOfMemory, "out of memory");
    throw;
  } catch (const std::exception& error) {
    const std::string text = error.what();
    ranks.abort(ExitStatus::kFailure, text.substr(0, text.find('\n')));
    throw;
  }
}

}  // namespace sdxl
