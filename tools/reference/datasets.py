"""Writes tests/fixtures/parquet: small Parquet files in the layouts in which the Hub stores data sets. Needs pyarrow.

The bytes of row i are the text of i and a comma, repeated 1 + 7 i % 50 times."""
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/parquet"
ROWS = range(35)


def picture(i):
    return f"{i},".encode() * (1 + 7 * i % 50)


def structs(rows, path=None):
    return pa.array([{"bytes": picture(i), "path": path} for i in rows],
                    pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def write(name, columns, **options):
    (OUT / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), OUT / name, **options)


def captions(rows):
    return pa.array([f"caption {i % 6}" for i in rows])


def main():
    small_pages = {"row_group_size": 10, "data_page_size": 200, "write_batch_size": 2}
    write("snappy.parquet", {"image": structs(ROWS), "text": captions(ROWS), "n": pa.array(list(ROWS))},
          compression="snappy", **small_pages)
    write("indexed.parquet", {"text": captions(ROWS), "image": structs(ROWS, "x.png")},
          compression="zstd", write_page_index=True, data_page_version="2.0", **small_pages)
    lists = pa.array([[f"a {i}", "b"] if i % 3 == 0 else [] if i % 3 == 1 else None for i in ROWS])
    write("lists.parquet", {"picture": pa.array([picture(i) for i in ROWS]), "captions": lists,
                            "nested": pa.array([{"bytes": picture(i)} for i in ROWS])},
          compression="none", use_dictionary=False, **small_pages)
    large = pa.array([picture(i) for i in ROWS], pa.large_binary())
    write("large.parquet", {"image": large, "text": pa.array([f"c {i}" for i in ROWS], pa.large_string())},
          compression="gzip", row_group_size=35)
    nulls = pa.array([{"bytes": None, "path": f"pictures/{i}.png"} if i % 2 else {"bytes": picture(i), "path": None}
                      for i in range(4)], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    write("paths.parquet", {"image": nulls, "text": pa.array(["zero", None, "", "three"])})
    hub = "hub/data/train-{:05d}-of-00002-abcdef.parquet"
    write(hub.format(0), {"image": structs(range(0, 5)), "text": captions(range(0, 5))})
    write(hub.format(1), {"image": structs(range(5, 8)), "text": captions(range(5, 8))})
    write("hub/data/test-00000-of-00001.parquet", {"image": structs([99]), "text": captions([99])})
    write("metadata.parquet", {"file_name": pa.array(["b.png", "a.png"]), "text": pa.array(["second", "first"])})

    # The pictures of tests/fixtures/training as a data set of the Hub.
    folder = OUT.parent / "training/pictures"
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    pictures = [{"bytes": (folder / row["file_name"]).read_bytes(), "path": row["file_name"]} for row in rows]
    texts = [row["text"] if isinstance(row["text"], list) else [row["text"]] for row in rows]
    write("pictures/data/train-00000-of-00001.parquet", {"image": pa.array(pictures), "text": pa.array(texts)})


if __name__ == "__main__":
    main()
