"""No include climbs the order of the folders or closes a circle, and vendor names stay where they belong."""
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import check_includes  # noqa: E402

ORDER = ["base", "config", "device", "models", "data", "training", "commands", "cli"]


class IncludeDirection(unittest.TestCase):
    def test_the_tree_keeps_the_rules(self):
        self.assertEqual(check_includes.check_tree(ROOT / "src"), [])

    def test_the_order_is_read_from_cmake(self):
        order = check_includes.folder_order((ROOT / "src/CMakeLists.txt").read_text())
        self.assertEqual(order[0], "base")
        self.assertLess(order.index("models"), order.index("training"))

    def refused(self, path, text):
        self.assertEqual(len(check_includes.problems(path, text, ORDER)), 1, (path, text))

    def accepted(self, path, text):
        self.assertEqual(check_includes.problems(path, text, ORDER), [])

    def test_includes_go_down(self):
        self.accepted("models/unet.cc", '#include "models/layers.h"\n#include "base/error.h"\n')
        self.accepted("main.cc", '#include "cli/parse.h"\n')
        self.refused("models/unet.cc", '#include "training/trainer.h"\n')
        self.refused("models/unet.cc", '#include "layers.h"\n')
        self.refused("base/files/files.cc", '  #  include "config/train_config.h"\n')

    def test_modules_know_neither_models_nor_configs_above_them(self):
        self.refused("data/loader.cc", '#include "models/unet.h"\n')
        self.refused("training/trainer.cc", '#include "config/train_config.h"\n')
        self.accepted("commands/train_full.cc", '#include "config/train_config.h"\n')

    def test_vendor_names_stay_in_their_folders(self):
        self.refused("training/trainer.cc", "auto device = at::kCUDA;\n")
        self.refused("models/unet.cc", "#include <cuda_runtime.h>\n")
        self.refused("main.cc", "at::Device(c10::kPrivateUse1)\n")
        self.refused("distributed/group.cc", 'open("libtorch_npu.so");\n')
        self.accepted("device/cuda.cc", "#include <cuda_runtime.h>\nat::kCUDA;\n")
        self.accepted("plugins/npu/attention.cc", "#include <acl/acl.h>\n")
        self.accepted("models/unet.cc", "// kCUDA is not named here\n")

    def test_headers_that_cost_are_kept_out(self):
        self.refused("models/unet.cc", "#include <torch/torch.h>\n")
        self.refused("training/trainer.cc", "#include <spdlog/spdlog.h>\n")

    def test_directories_are_made_by_the_function_that_reports_errors(self):
        self.refused("training/checkpoint.cc", "create_directories(directory);\n")
        self.accepted("training/checkpoint.cc", "make_directories(directory);  // not create_directories()\n")
        self.accepted("base/files/files.cc", "fs::create_directories(path, error);\n")

    def test_units_do_not_include_each_other(self):
        direct = {"io/a.h": '#include "io/b.h"\n', "io/b.h": "", "io/b.cc": '#include "io/b.h"\n#include "io/a.h"\n'}
        self.assertEqual(check_includes.circles(check_includes.unit_graph(direct)),
                         ["units include each other: io/a -> io/b -> io/a"])
        longer = {"io/a.h": '#include "io/b.h"\n', "io/b.h": '#include "io/c.h"\n', "io/c.cc": '#include "io/a.h"\n'}
        self.assertEqual(len(check_includes.circles(check_includes.unit_graph(longer))), 1)
        downwards = {"io/a.h": '#include "io/b.h"\n', "io/a.cc": '#include "io/a.h"\n', "io/b.h": "#include <io/a.h>\n"}
        self.assertEqual(check_includes.circles(check_includes.unit_graph(downwards)), [])

    def test_a_folder_holds_a_score_of_units(self):
        names = [f"io/u{i}" for i in range(20)] + [f"io/sub/u{i}" for i in range(20)]
        self.assertEqual(check_includes.crowded_folders(names), [])
        self.assertEqual(len(check_includes.crowded_folders(names + ["io/one_more"])), 1)
        self.assertEqual(check_includes.crowded_folders([f"schedulers/u{i}" for i in range(30)]), [])


if __name__ == "__main__":
    unittest.main()
