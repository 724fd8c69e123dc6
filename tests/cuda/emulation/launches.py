"""Rewrites what only nvcc reads in a .cu file for the emulation on the CPU: launches, and shared memory of a size given there.

    launches.py FROM.cu TO.cc
"""
import re
import sys

LAUNCH = re.compile(r"([A-Za-z_]\w*(?:<[\w, ]+>)?)\s*<<<(.*?)>>>\((.*?)\);", re.S)
SHARED = re.compile(r"extern __shared__ (\w+) (\w+)\[\];")

source, target = sys.argv[1:]
text = open(source).read()
text = SHARED.sub(r"\1* \2 = emulation::shared<\1>();", text)
text, count = LAUNCH.subn(r"emulation::launch(\2, [&] { \1(\3); });", text)
assert count, f"{source}: no launch found"
open(target, "w").write(f'#line 1 "{source}"\n' + text)
