"""Names of files that a run or a model has on disk are written in one unit each."""
import pathlib
import re
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src"
# The unit that owns each name, as it stands in a literal; one that ends in "…" is a prefix.
OWNERS = {
    "training/run/run_files": ["checkpoint-…", "trainer_state.json", "optimizer.safetensors", "metrics.jsonl",
                               "best.json", "manifest.json", "validation/…"],
    "io/model_files": ["diffusion_pytorch_model…", "model_index.json", "scheduler_config.json",
                       "pytorch_lora_weights…"],
}
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


def stands_in(name: str, code: str) -> bool:
    literal = f'"{name[:-1]}' if name.endswith("…") else f'"{name}"'
    return literal in code


def foreign_names(path: str, text: str) -> list[str]:
    """Names in the file `path` (relative to src/, without its ending) that another unit owns."""
    code = COMMENT.sub("", text)
    return [name for owner, names in OWNERS.items() if owner != path for name in names if stands_in(name, code)]


class FileNames(unittest.TestCase):
    maxDiff = None

    def test_the_tree_writes_each_name_once(self):
        found = {}
        for file in sorted(SOURCE.rglob("*")):
            if file.suffix in (".h", ".cc"):
                path = file.relative_to(SOURCE)
                names = foreign_names(path.with_suffix("").as_posix(), file.read_text())
                if names:
                    found[path.as_posix()] = names
        self.assertEqual(found, {})

    def test_a_literal_elsewhere_is_refused(self):
        self.assertEqual(foreign_names("commands/infer/sets", 'read(path / "trainer_state.json");'),
                         ["trainer_state.json"])
        self.assertEqual(foreign_names("commands/infer/sets", 'name.starts_with("checkpoint-")'), ["checkpoint-…"])

    def test_comments_messages_and_the_owner_are_accepted(self):
        self.assertEqual(foreign_names("commands/infer/sets", '// "checkpoint-N"\nstr("no checkpoint-N here");'), [])
        self.assertEqual(foreign_names("training/run/run_files", 'constexpr auto kPrefix = "checkpoint-";'), [])


if __name__ == "__main__":
    unittest.main()
