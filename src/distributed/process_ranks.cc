#include "distributed/process_ranks.h"

#include <c10/util/Logging.h>

#include <array>
#include <cstring>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>

#include "base/environment.h"
#include "base/log.h"
#include "base/text.h"
#include "distributed/device_group.h"
#include "distributed/gloo.h"
#include "distributed/watch.h"

namespace sdxl {
namespace {

using c10d::Backend;
using c10d::Store;
using std::chrono::milliseconds;

/// The failure of another rank; its message already names the rank.
Error error_of(const Failure& failure) { return RankLost(failure.status, failure.message); }

/// Waits for c10d's work; a failure becomes an error that names the rank at fault.
class WorkTransfer : public Transfer {
 public:
  WorkTransfer(Watch& watch, c10::intrusive_ptr<c10d::Work> work, at::Tensor tensor)
      : watch_(watch), work_(std::move(work)), tensor_(std::move(tensor)) {}
  void wait() override {
    try {
      work_->wait();
    } catch (const std::exception& error) {
      log::debug(error.what());
      throw error_of(watch_.explain());
    }
  }

 private:
  Watch& watch_;
  c10::intrusive_ptr<c10d::Work> work_;
  at::Tensor tensor_;
};

/// A transfer of a copy in host memory, copied back when it is done.
class StagedTransfer : public Transfer {
 public:
  StagedTransfer(std::unique_ptr<Transfer> transfer, at::Tensor staged, at::Tensor target)
      : transfer_(std::move(transfer)), staged_(std::move(staged)), target_(std::move(target)) {}
  void wait() override {
    transfer_->wait();
    target_.copy_(staged_);
  }

 private:
  std::unique_ptr<Transfer> transfer_;
  at::Tensor staged_, target_;
};

at::Tensor bytes_tensor(const std::string& text) {
  at::Tensor bytes = at::empty({std::ssize(text)}, at::kByte);
  std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

std::string text_of(const at::Tensor& bytes, int64_t size) {
  return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<size_t>(size)};
}

std::string joined_key(int64_t rank) { return str("joined/", rank); }

/// Waits until every rank has reached the store; Error(kUnavailable) lists those that have not.
void wait_for_all(Store& store, const Launch& launch, milliseconds timeout) {
  store.set(joined_key(launch.rank), std::vector<uint8_t>{1});
  std::vector<std::string> keys;
  for (int64_t rank = 0; rank < launch.size; ++rank) keys.push_back(joined_key(rank));
  try {
    store.wait(keys, timeout);
    return;
  } catch (const std::exception& error) {
    log::debug(error.what());
  }
  std::vector<std::string> missing;
  for (int64_t rank = 0; rank < launch.size && missing.size() < 8; ++rank) {
    if (!store.check({joined_key(rank)})) missing.push_back(str(rank));
  }
  throw Error(ExitStatus::kUnavailable, "rank ", join(missing, ", "), " of ", launch.size,
              " did not start within --ddp_timeout ", timeout.count() / 1000.0, " s");
}

class ProcessRanks : public Ranks {
 public:
  ProcessRanks(const Launch& launch, milliseconds timeout, c10::intrusive_ptr<Store> store)
      : rank_(launch.rank),
        size_(launch.size),
        timeout_(timeout),
        store_(std::move(store)),
        watch_(c10::make_intrusive<c10d::PrefixStore>("watch", store_->clone()), rank_, size_,
               timeout),
        host_(join_host_group(launch)) {
    barrier();
  }

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }

  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor) override {
    return start(tensor, [](Backend& group, std::vector<at::Tensor>& tensors) {
      return group.allreduce(tensors, c10d::AllreduceOptions());
    });
  }

  std::unique_ptr<Transfer> start_reduce(const at::Tensor& tensor, int64_t owner) override {
    return start(tensor, [owner](Backend& group, std::vector<at::Tensor>& tensors) {
      c10d::ReduceOptions options;
      options.rootRank = owner;
      return group.reduce(tensors, options);
    });
  }

  std::unique_ptr<Transfer> start_broadcast(const at::Tensor& tensor, int64_t owner) override {
    return start(tensor, [owner](Backend& group, std::vector<at::Tensor>& tensors) {
      c10d::BroadcastOptions options;
      options.rootRank = owner;
      return group.broadcast(tensors, options);
    });
  }

  std::vector<std::string> all_gather_text(const std::string& text) override {
    const std::vector<at::Tensor> sizes =
        gather_tensors(at::full({1}, std::ssize(text), at::kLong));
    int64_t longest = 1;
    for (const at::Tensor& size : sizes) longest = std::max(longest, size.item<int64_t>());
    std::string padded = text;
    padded.resize(longest);
    const std::vector<at::Tensor> bytes = gather_tensors(bytes_tensor(padded));
    std::vector<std::string> texts;
    for (int64_t i = 0; i < size_; ++i) {
      texts.push_back(text_of(bytes[i], sizes[i].item<int64_t>()));
    }
    return texts;
  }

  std::string broadcast_text(const std::string& text, int64_t from) override {
    const at::Tensor size = at::full({1}, std::ssize(text), at::kLong);
    start_broadcast(size, from)->wait();
    const int64_t count = size.item<int64_t>();
    if (count == 0) return "";
    const at::Tensor bytes = rank_ == from ? bytes_tensor(text) : at::empty({count}, at::kByte);
    start_broadcast(bytes, from)->wait();
    return text_of(bytes, count);
  }

  at::Tensor send_to_first(const at::Tensor& tensor, const at::Tensor& like,
                           int64_t from) override {
    if (from == 0) return is_first() ? tensor.detach().cpu() : at::Tensor();
    if (rank_ == from) {
      const at::Tensor plain = tensor.detach().cpu().contiguous();
      send(as_bytes(plain));
    }
    if (!is_first()) return {};
    const at::Tensor received = at::empty(like.sizes(), at::TensorOptions(like.scalar_type()));
    receive(as_bytes(received), from);
    return received;
  }

  void barrier() override {
    constexpr std::chrono::hours kLong{24 * 365};
    watch_.count_collective();
    std::vector<at::Tensor> tensors = {at::ones({1})};
    c10d::AllreduceOptions options;
    options.timeout = kLong;
    transfer(host_->allreduce(tensors, options), tensors[0])->wait();
  }

  void abort(ExitStatus status, const std::string& message) override {
    watch_.post({status, str("rank ", rank_, " ended the run: ", message)});
  }

  void finish() override { watch_.finish(); }

 private:
  using Collective =
      std::function<c10::intrusive_ptr<c10d::Work>(Backend&, std::vector<at::Tensor>&)>;

  c10::intrusive_ptr<Backend> join_host_group(const Launch& launch) {
    wait_for_all(*store_, launch, timeout_);
    return make_gloo_group(c10::make_intrusive<c10d::PrefixStore>("gloo", store_), rank_, size_,
                           timeout_, launch.address, launch.port);
  }

  std::unique_ptr<Transfer> start(const at::Tensor& tensor, const Collective& collective) {
    if (const auto failure = watch_.failure()) throw error_of(*failure);
    watch_.count_collective();
    Backend* group = host_.get();
    if (!tensor.is_cpu()) {
      if (!device_group_asked_) ask_for_device_group(tensor.device());
      group = device_group_.get();
    }
    if (group != nullptr) {
      std::vector<at::Tensor> tensors = {tensor};
      return begin([&] { return collective(*group, tensors); }, tensor);
    }
    const at::Tensor staged = tensor.cpu();
    std::vector<at::Tensor> tensors = {staged};
    return std::make_unique<StagedTransfer>(
        begin([&] { return collective(*host_, tensors); }, staged), staged, tensor);
  }

  std::unique_ptr<Transfer> begin(const std::function<c10::intrusive_ptr<c10d::Work>()>& work,
                                  const at::Tensor& tensor) {
    try {
      return transfer(work(), tensor);
    } catch (const std::exception& error) {  // Gloo connects lazily
      log::debug(error.what());
      throw error_of(watch_.explain());
    }
  }

  std::unique_ptr<Transfer> transfer(c10::intrusive_ptr<c10d::Work> work,
                                     const at::Tensor& tensor) {
    return std::make_unique<WorkTransfer>(watch_, std::move(work), tensor);
  }

  void ask_for_device_group(at::Device device) {
    device_group_asked_ = true;
    device_group_ = make_device_group(
        device, c10::make_intrusive<c10d::PrefixStore>("device", store_), rank_, size_, timeout_);
  }

  std::vector<at::Tensor> gather_tensors(const at::Tensor& tensor) {
    watch_.count_collective();
    std::vector<at::Tensor> inputs = {tensor};
    std::vector<std::vector<at::Tensor>> outputs(1);
    for (int64_t i = 0; i < size_; ++i) outputs[0].push_back(at::empty_like(tensor));
    begin([&] { return host_->allgather(outputs, inputs); }, tensor)->wait();
    return outputs[0];
  }

  static at::Tensor as_bytes(const at::Tensor& contiguous) {
    return at::from_blob(contiguous.data_ptr(), {static_cast<int64_t>(contiguous.nbytes())},
                         at::kByte);
  }

  void send(const at::Tensor& bytes) {
    if (bytes.numel() == 0) return;
    std::vector<at::Tensor> tensors = {bytes};
    begin([&] { return host_->send(tensors, 0, kTag); }, bytes)->wait();
  }

  void receive(const at::Tensor& bytes, int64_t from) {
    if (bytes.numel() == 0) return;
    std::vector<at::Tensor> tensors = {bytes};
    begin([&] { return host_->recv(tensors, static_cast<int>(from), kTag); }, bytes)->wait();
  }

  static constexpr int kTag = 1;

  const int64_t rank_, size_;
  const milliseconds timeout_;
  const c10::intrusive_ptr<Store> store_;
  Watch watch_;
  const c10::intrusive_ptr<Backend> host_;
  bool device_group_asked_ = false;
  c10::intrusive_ptr<Backend> device_group_;
};

c10::intrusive_ptr<Store> open_store(const Launch& launch, milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.isServer = launch.rank == 0 && !launch.agent_has_store;
  options.timeout = timeout;
  options.multiTenant = false;
  try {
    return c10::make_intrusive<c10d::PrefixStore>(
        str("sdxl/", launch.attempt), c10::make_intrusive<c10d::TCPStore>(launch.address, options));
  } catch (const std::exception& error) {
    log::debug(error.what());
    const std::string place = str(launch.address, ":", launch.port);
    throw Error(ExitStatus::kUnavailable,
                options.isServer
                    ? str("rank 0 cannot listen at ", place,
                          " (MASTER_ADDR, MASTER_PORT): the port is taken, or the address belongs "
                          "to another machine")
                    : str("rank ", launch.rank, " did not reach rank 0 at ", place,
                          " (MASTER_ADDR, MASTER_PORT) within --ddp_timeout ",
                          timeout.count() / 1000.0, " s: is it running, and the port open?"));
  }
}

}  // namespace

Ranks& join_ranks(const Launch& launch, const JoinOptions& options) {
  static Ranks one_process;
  if (launch.is_single()) return one_process;
  // Silence c10d: the final error says the same in one line.
  if (environment("TORCH_CPP_LOG_LEVEL").empty()) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
  // Only rank 0 logs progress, unless the level is debug.
  const bool logs = launch.rank == 0 || log::enabled(log::Level::kDebug);
  if (!logs && log::enabled(log::Level::kInfo)) log::set_level(log::Level::kWarning);
  const c10::intrusive_ptr<Store> store = open_store(launch, options.timeout);
  try {
    return *new ProcessRanks(launch, options.timeout, store);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw Error(ExitStatus::kUnavailable, "rank ", launch.rank,
                " cannot connect to the others: ", text.substr(0, text.find('\n')),
                "; set GLOO_SOCKET_IFNAME to the network interface to use");
  }
}

}  // namespace sdxl
