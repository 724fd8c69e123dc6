#include "device/graph.h"

#include <array>
#include <exception>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "device/registry.h"
#include "sdxl/graphs.h"

namespace sdxl {
namespace {

using Message = std::array<char, 512>;

const sdxl_graphs* graphs_of(const at::Device& device) {
  const BackEnd* back_end = back_end_of(device);
  return back_end == nullptr ? nullptr : back_end->graphs();
}

class PluginGraph : public DeviceGraph {
 public:
  PluginGraph(const sdxl_graphs& functions, void* graph) : functions_(functions), graph_(graph) {}
  ~PluginGraph() override { functions_.release(graph_); }

  void replay() override {
    Message message{};
    if (functions_.replay(graph_, message.data(), message.size()) == 0) return;
    throw Error(ExitStatus::kFailure,
                "the device cannot replay a graph: ", escaped(message.data()));
  }

 private:
  const sdxl_graphs& functions_;
  void* graph_;
};

/// Runs `work`; the message of its exception, or "".
std::string failure_of(const std::function<void()>& work) {
  try {
    work();
    return "";
  } catch (const c10::Error& error) {
    return split(error.what_without_backtrace(), '\n').front();
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::unique_ptr<DeviceGraph> not_captured(const std::string& reason) {
  log::info(str("continuing without device graphs, which is slower: ", escaped(reason)));
  return nullptr;
}

}  // namespace

bool supports_graphs(const at::Device& device) { return graphs_of(device) != nullptr; }

std::unique_ptr<DeviceGraph> capture_graph(const at::Device& device,
                                           const std::function<void()>& work) {
  const sdxl_graphs* functions = graphs_of(device);
  if (functions == nullptr) return nullptr;
  Message message{};
  void* begun = functions->begin(message.data(), message.size());
  if (begun == nullptr) return not_captured(message.data());
  auto graph = std::make_unique<PluginGraph>(*functions, begun);
  const std::string failure = failure_of(work);
  const int error = functions->end(begun, failure.empty() ? 0 : 1, message.data(), message.size());
  if (!failure.empty()) return not_captured(failure);
  if (error != 0) return not_captured(message.data());
  return graph;
}

}  // namespace sdxl
