#!/usr/bin/env python3
"""Checks the direction of includes: prints each line that breaks a rule, and exits with 1 if there is one.

The order of the folders is that of sdxl_folder(...) in src/CMakeLists.txt: a file includes its own folder
and what stands before it. Besides, vendor names stay in device/ and plugins/, config structs in commands/
and cli/, data/ knows no models, spdlog is seen by base/log.cc alone, and
directories are made by make_directories()."""
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
    if path != "base/files.cc" and re.search(r"\bcreate_directories\(", COMMENT.sub("", text)):
        found.append("create_directories() lets a std exception through: call make_directories() of base/files.h")
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


def check_tree(source: pathlib.Path) -> list[str]:
    order = folder_order((source / "CMakeLists.txt").read_text())
    found = []
    for file in sorted(source.rglob("*")):
        if file.suffix in (".h", ".cc", ".cu", ".cuh"):
            found += problems(file.relative_to(source).as_posix(), file.read_text(), order)
    return found


if __name__ == "__main__":
    FOUND = check_tree(ROOT / "src")
    print("\n".join(FOUND), end="\n" if FOUND else "")
    sys.exit(1 if FOUND else 0)
