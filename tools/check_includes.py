#!/usr/bin/env python3
"""Checks includes and folders of src/: prints each violation and exits with 1 if there is one.

    tools/check_includes.py

The order of the folders is that of sdxl_folder(...) in src/CMakeLists.txt: a file includes its own folder
and what stands before it. Vendor names stay in device/ and plugins/, config structs in commands/ and cli/,
data/ includes no models, only base/log.cc includes spdlog, and directories are made by make_directories(). A
unit is the header and the source of one name: units never include each other in a circle, and a folder holds
at most 20 of them."""
import collections
import collections.abc
import graphlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENDOR_WORDS = re.compile(
    r"\b(kCUDA|kPrivateUse1|at::cuda|c10::cuda|torch_npu|c10_npu|libtorch_cuda|libtorch_npu|NVIDIA|Nvidia|nvidia|NCCL|nccl|"
    r"Ascend|ascend|HCCL|hccl)\b")
VENDOR_HEADERS = re.compile(
    r"^(cuda|cudnn|cublas|cusolver|cusparse|nccl|nvml|nvrtc|nvtx|acl/|hccl|torch_npu/|ATen/cuda|c10/cuda)")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
MOST_UNITS = 20
LISTS_OF_EQUALS = ("schedulers", "tokenizers")  # one unit for each algorithm: their listings explain themselves


def folder_order(cmake: str) -> list[str]:
    return re.findall(r"^sdxl_folder\((\w+)", cmake, re.M)


def problems(path: str, text: str, order: list[str]) -> list[str]:
    """What is wrong in the file `path` (relative to src/) with this text."""
    folder = path.split("/")[0] if "/" in path else ""
    found = []
    for mark, name in INCLUDE.findall(text):
        if mark == '"':
            found += project_include(folder, name, order)
        elif VENDOR_HEADERS.match(name) and folder not in ("device", "plugins"):
            found.append(f"<{name}> is a vendor's header, which only device/ and plugins/ include")
        if name == "torch/torch.h":
            found.append("<torch/torch.h> is included nowhere: take the narrow header")
        if name.startswith("spdlog/") and path != "base/log.cc":
            found.append(f"<{name}> is for base/log.cc alone")
    if path != "base/files/files.cc" and re.search(r"\bcreate_directories\(", COMMENT.sub("", text)):
        found.append("create_directories() lets a std exception through: call make_directories() of base/files/files.h")
    if folder not in ("device", "plugins"):
        words = set(VENDOR_WORDS.findall(COMMENT.sub("", text)))
        found += [f"{word} stands outside device/ and plugins/" for word in sorted(words)]
    return [f"src/{path}: {problem}" for problem in found]


def project_include(folder: str, name: str, order: list[str]) -> list[str]:
    target = name.split("/")[0] if "/" in name else ""
    if target == "sdxl":  # include/sdxl
        return []
    if target not in order and target != folder:
        return [f'"{name}" is not of the form "folder/file.h"']
    if folder in order and order.index(target) > order.index(folder):
        return [f'"{name}" climbs: {target}/ stands after {folder}/']
    if folder == "data" and target == "models":
        return [f'"{name}": data/ knows no models; encoders reach it as functions']
    if target == "config" and folder not in ("config", "commands", "cli", ""):
        return [f'"{name}": below commands/ nothing sees a config struct']
    return []


def unit_of(path: str) -> str:
    return re.sub(r"\.(h|cc|cu|cuh)$", "", path)


def unit_graph(texts: dict[str, str]) -> dict[str, set[str]]:
    """The units that each unit includes, from the text of each file."""
    graph = {unit_of(path): set() for path in sorted(texts)}
    for path, text in texts.items():
        included = {unit_of(name) for mark, name in INCLUDE.findall(text) if mark == '"'}
        graph[unit_of(path)] |= included & graph.keys() - {unit_of(path)}
    return graph


def circles(graph: dict[str, set[str]]) -> list[str]:
    """One line for each circle of includes; a found circle is opened at one place before the next is looked for."""
    graph = {unit: set(included) for unit, included in graph.items()}
    found = []
    while True:
        try:
            graphlib.TopologicalSorter({unit: sorted(graph[unit]) for unit in sorted(graph)}).prepare()
            return found
        except graphlib.CycleError as error:
            circle = error.args[1][::-1]  # in the direction of the includes
            found.append("units include each other: " + " -> ".join(circle))
            graph[circle[0]].discard(circle[1])


def crowded_folders(units: collections.abc.Iterable[str]) -> list[str]:
    count = collections.Counter(unit.rpartition("/")[0] for unit in units)
    return [f"src/{folder} holds {n} units, more than {MOST_UNITS}: make a folder of those that belong together"
            for folder, n in sorted(count.items()) if n > MOST_UNITS and folder not in LISTS_OF_EQUALS]


def check_tree(source: pathlib.Path) -> list[str]:
    order = folder_order((source / "CMakeLists.txt").read_text())
    texts = {file.relative_to(source).as_posix(): file.read_text() for file in sorted(source.rglob("*"))
             if file.suffix in (".h", ".cc", ".cu", ".cuh")}
    found = [problem for path, text in texts.items() for problem in problems(path, text, order)]
    graph = unit_graph(texts)
    return found + circles(graph) + crowded_folders(graph)


if __name__ == "__main__":
    FOUND = check_tree(ROOT / "src")
    print("\n".join(FOUND), end="\n" if FOUND else "")
    sys.exit(1 if FOUND else 0)
