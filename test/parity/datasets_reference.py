"""Real `datasets` and pyarrow beside our files: reads what we wrote in a folder, writes what we then read."""

import json
import sys
from datetime import datetime
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

datasets.disable_progress_bars()


def nested_table() -> pa.Table:
    """Types that data sets of the hub have, large and nested ones too."""
    return pa.table(
        {
            "large": pa.array(["a", None], pa.large_string()),
            "large_list": pa.array([[1], [2, 3]], pa.large_list(pa.int64())),
            "dictionary": pa.array(["x", "y"]).dictionary_encode(),
            "fixed": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
            "time": pa.array([datetime(2020, 1, 2, 3, 4, 5), None], pa.timestamp("us")),
            "big": pa.array([2**60, -1]),
            "small": pa.array([255, None], pa.uint8()),
            "bytes": pa.array([b"ab", b""]),
            "nothing": pa.array([None, None], pa.null()),
            "deep": pa.array(
                [[{"a": [{"b": 1.0}], "c": "x"}, None], []],
                pa.list_(
                    pa.struct(
                        [
                            ("a", pa.list_(pa.struct([("b", pa.float64())]))),
                            ("c", pa.large_string()),
                        ]
                    )
                ),
            ),
            "lists": pa.array([[["p"], None, []], None], pa.list_(pa.list_(pa.string()))),
        }
    )


def main(folder: Path) -> None:
    ours = datasets.load_from_disk(str(folder / "ours"))
    splits = datasets.load_from_disk(str(folder / "splits"))
    parquet = datasets.load_dataset("parquet", data_files=str(folder / "ours.parquet"), split="train")
    lines = datasets.load_dataset("json", data_files=str(folder / "ours.jsonl"), split="train")
    csv = datasets.load_dataset("csv", data_files=str(folder / "plain.csv"), split="train")
    found = {
        "ours": ours.to_list(),
        "features": str(ours.features),
        "parquet": parquet.to_list() == ours.to_list() and parquet.features == ours.features,
        "lines": lines.to_list() == ours.to_list(),
        "splits": {name: split["i"][:] for name, split in splits.items()},
        "csv": csv.to_list(),
    }

    table = nested_table()
    pq.write_table(table, folder / "nested.parquet")
    with pa.OSFile(str(folder / "stream.arrow"), "wb") as file:
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=1)
    with pa.OSFile(str(folder / "file.arrow"), "wb") as file:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    theirs = datasets.DatasetDict({"train": ours, "test": ours.select([0])})
    theirs.save_to_disk(str(folder / "theirs"), num_shards={"train": 2, "test": 1})
    theirs["train"].to_json(str(folder / "theirs.jsonl.gz"))
    print(json.dumps(found))


main(Path(sys.argv[1]))
