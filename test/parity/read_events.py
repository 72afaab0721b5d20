"""Prints what TensorBoard's own reader finds in a folder of event files, as JSON. Run: python read_events.py FOLDER"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
events.Reload()
tags = events.Tags()
print(
    json.dumps(
        {
            "file_version": events.file_version,
            "scalars": {t: [[e.step, e.value] for e in events.Scalars(t)] for t in tags["scalars"]},
            "texts": {
                t: [[e.step, e.tensor_proto.string_val[0].decode()] for e in events.Tensors(t)]
                for t in tags["tensors"]
                if events.SummaryMetadata(t).plugin_data.plugin_name == "text"
            },
        }
    )
)
