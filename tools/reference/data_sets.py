"""What `datasets` 5.2 reads of small data sets: which files, which rows, which captions. Needs
datasets==5.2.0; writes tests/fixtures/data_sets.json. A picture of number N is the text "picture N",
since only its place counts."""
import io
import json
import os
import pathlib
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile

sys.path = [path for path in sys.path if pathlib.Path(path or ".").resolve() != pathlib.Path(__file__).resolve().parent]
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()
import datasets  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/data_sets.json"


def picture(number):
    return f"picture {number}"


def metadata(*names, **more):
    return "".join(json.dumps({"file_name": name, "text": f"text {name}", **more}) + "\n" for name in names)


FOLDER = {"0.png": picture(0), "1.png": picture(1), "metadata.jsonl": metadata("0.png", "1.png")}
TAR = {"tar": [["a.jpg", picture(5)], ["a.txt", "in the tar"]]}
A, B = '{"file_name": "0.png", "text": "a"', '{"file_name": "1.png", "text": "b"'
HEADER = "file_name,text\n"


def jsonl(text):
    return {**FOLDER, "metadata.jsonl": text}


def csv(text):
    return {"0.png": picture(0), "1.png": picture(1), "metadata.csv": text}


# name: files. A file is a text, or {"tar": members} or {"zip": members}.
CASES = {
    "an old tar beside the pictures": {**FOLDER, "old/backup.tar": TAR},
    "a table beside the pictures": {**FOLDER, "old/tags.parquet": "no data set"},
    "a packed tar beside the pictures": {**FOLDER, "old/backup.tar.gz": "no tar"},
    "other tables beside the pictures": {**FOLDER, "a.csv": "a,b\n1,2\n"},
    "upper case": {"0.PNG": picture(0), "metadata.jsonl": metadata("0.PNG")},
    "backslashes": {"sub/0.png": picture(0), "metadata.jsonl": metadata("sub\\0.png")},
    "a zip": {"a.zip": {"zip": [["x/0.png", picture(0)], ["x/1.png", picture(1)],
                                ["x/metadata.jsonl", metadata("1.png", "0.png")]]}},
    "a zip beside pictures": {**FOLDER, "old/a.zip": {"zip": [["0.png", picture(7)], ["metadata.jsonl", metadata("0.png")]]}},
    "a zip without metadata beside pictures": {**FOLDER, "old/a.zip": {"zip": [["0.png", picture(7)]]}},
    "NaN": jsonl(A + ', "x": NaN}\n' + B + ', "x": 1.5}\n'),
    "Infinity": jsonl(A + ', "x": Infinity}\n' + B + ', "x": -Infinity}\n'),
    "Inf": jsonl(A + ', "x": Inf}\n' + B + ', "x": -Inf}\n'),
    "NaN in a caption": jsonl('{"file_name": "0.png", "text": "NaN, Infinity", "x": NaN}\n' + B + ', "x": 2.0}\n'),
    "rows over several lines": jsonl('{\n "file_name": "0.png",\n "text": "a"\n}\n' + B + "}\n"),
    "several rows on a line": jsonl(A + "} " + B + "}" + A + "}\n"),
    "a byte order mark": jsonl("\ufeff" + A + "}\n" + B + "}\n"),
    "carriage returns": jsonl(A + "}\r" + B + "}\r\n"),
    "empty lines": jsonl("\n\n" + A + "}\n  \n" + B + "}\n\n"),
    "a row without caption": jsonl(A + '}\n{"file_name": "1.png"}\n'),
    "an empty field": csv(HEADER + "0.png,a\n1.png,\n"),
    "an empty field in quotes": csv(HEADER + '0.png,a\n1.png,""\n'),
    "words for no value": csv(HEADER + "0.png,NA\n1.png,None\n0.png,null\n1.png,nan\n0.png,n/a\n1.png,a\n"),
    "a short row": csv("file_name,text,source\n0.png,a,x\n1.png,b\n"),
    "a short row without caption": csv(HEADER + "0.png,a\n1.png\n"),
    "empty columns": csv("file_name,text,\n0.png,a,\n1.png,b,\n"),
    "quoted fields": csv('"file_name","text"\n"0.png","a, b"\n"1.png","c ""d"""\n'),
    "carriage returns alone": csv("file_name,text\r0.png,a\r1.png,b\r"),
    "empty lines in a table": csv(HEADER + "\n0.png,a\n\n1.png,b\n"),
    "a byte order mark in a table": csv("\ufeff" + HEADER + "0.png,a\n1.png,b\n"),
}
# Opened as --dataset_name alone.
NAMED = {
    "as many tars as pictures": {**FOLDER, "old/b.tar": TAR, "old/c.tar": TAR},
    "NaN in a tar": {"a.tar": {"tar": [["0.jpg", picture(0)], ["0.json", '{"text": "a", "x": NaN}'],
                                       ["1.jpg", picture(1)], ["1.json", '{\n"text": "b",\n"x": 1.5}']]}},
    "a conditioning picture in a tar": {"a.tar": {"tar": [["0.control.png", picture(8)], ["0.jpg", picture(0)], ["0.txt", "a"],
                                                          ["1.control.png", picture(9)], ["1.jpg", picture(1)], ["1.txt", "b"]]}},
}


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_bytes(content.encode())
            continue
        for kind, members in content.items():
            if kind == "zip":
                with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                    for member, text in members:
                        archive.writestr(member, text)
            else:
                with tarfile.open(path, "w") as archive:
                    for member, text in members:
                        info = tarfile.TarInfo(member)
                        info.size = len(text.encode())
                        archive.addfile(info, io.BytesIO(text.encode()))


def number(value):
    """Of the picture that `datasets` gives."""
    if value["bytes"] is not None:
        text = value["bytes"]
    elif member := re.fullmatch(r"zip://(.*)::(.*)", value["path"]):
        text = zipfile.ZipFile(member[2]).read(member[1])
    else:
        text = pathlib.Path(value["path"]).read_bytes()
    return int(text.decode().removeprefix("picture "))


def caption(row):
    if "json" in row:
        return row["json"]["text"]
    return row["txt"] if "txt" in row else row["text"]


def rows(root, as_folder):
    if as_folder:
        data = datasets.load_dataset("imagefolder", data_files={"train": f"{root}/**"}, split="train")
    else:
        data = datasets.load_dataset(str(root), split="train")
    column = "image" if "image" in data.column_names else "jpg"
    data = data.select_columns([c for c in data.column_names if c in (column, "text", "txt", "json")])
    data = data.cast_column(column, datasets.Image(decode=False))
    # Rows of several metadata files come in no certain order.
    return sorted(([number(row[column]), caption(row)] for row in data), key=str)


def main():
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    result = []
    for cases, modes in ((CASES, (True, False)), (NAMED, (False,))):
        for name, files in cases.items():
            for as_folder in modes:
                with tempfile.TemporaryDirectory() as root:
                    write(pathlib.Path(root), files)
                    found = rows(root, as_folder)
                result.append({"name": name, "whole_directory": as_folder, "files": files, "rows": found})
    shutil.rmtree(os.environ["HF_DATASETS_CACHE"])
    OUT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
