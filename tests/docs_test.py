"""Every link and every path that the documentation names exists, and every page of docs/ is in its index."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "tools/README.md", ROOT / "third_party/README.md"])
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A path from the repository's root, in prose or in a command; NAME stands for anything.
PATH = re.compile(r"(?<![\w./~*-])(?:\./)?((?:src|include|tests|tools|configs|docs|third_party|\.ci)/[\w./*-]*)")
# A file or folder beside the page that names it.
NEIGHBOUR = re.compile(r"`((?:[\w-]+/)*[\w-]+(?:/|\.(?:sh|py|cmake|txt|md)))`")


def missing_links(text: str, folder: pathlib.Path) -> list[str]:
    """The relative links whose file, or whose heading in it, is not there."""
    return [link for link in LINK.findall(text) if "://" not in link and not link_exists(link, folder)]


def link_exists(link: str, folder: pathlib.Path) -> bool:
    name, _, heading = link.partition("#")
    target = folder / name
    if not name or not heading:
        return bool(name) and target.exists()
    headings = re.findall(r"^#+ +(.*)$", target.read_text(), re.M)
    return heading in [re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings]


def missing_paths(text: str) -> list[str]:
    named = {path.rstrip(".").replace("NAME", "*") for path in PATH.findall(text)}
    return sorted(path for path in named if not any(ROOT.glob(path.rstrip("/"))))


class Docs(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for page in PAGES:
            with self.subTest(page.relative_to(ROOT).as_posix()):
                self.assertEqual(missing_links(page.read_text(), page.parent), [])

    def test_paths_exist(self):
        for page in PAGES:
            with self.subTest(page.relative_to(ROOT).as_posix()):
                self.assertEqual(missing_paths(page.read_text()), [])

    def test_lists_of_a_folder_name_what_it_holds(self):
        for page in (ROOT / "tools/README.md", ROOT / "third_party/README.md"):
            names = NEIGHBOUR.findall(page.read_text())
            missing = [name for name in names if not (page.parent / name).exists() and not (ROOT / name).exists()]
            self.assertEqual(missing, [], page)

    def test_tools_lists_every_script_and_folder(self):
        listed = set(NEIGHBOUR.findall((ROOT / "tools/README.md").read_text()))
        there = {path.name + "/" * path.is_dir() for path in (ROOT / "tools").iterdir()} - {"CMakeLists.txt", "README.md"}
        self.assertEqual(there - listed - {"__pycache__/"}, set())

    def test_every_page_is_in_the_index(self):
        index = set(LINK.findall((ROOT / "docs/README.md").read_text()))
        pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
        self.assertEqual(pages - index, set())

    def test_what_is_missing_is_found(self):
        self.assertEqual(missing_links("[a](data.md) [b](gone.md) [c](https://x.org) [d](data.md#gone)", ROOT / "docs"),
                         ["gone.md", "data.md#gone"])
        self.assertEqual(missing_links("[a](data.md#the-hub)", ROOT / "docs"), [])
        self.assertEqual(missing_paths("see `src/main.cc`, `src/gone.cc` and tests/*/gone_test.cc."),
                         ["src/gone.cc", "tests/*/gone_test.cc"])
        self.assertEqual(missing_paths("`src/device/NAME.cc`, build/tests/x and ~/docs/y"), [])


if __name__ == "__main__":
    unittest.main()
