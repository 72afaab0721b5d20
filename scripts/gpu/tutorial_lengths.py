"""Writes tutorial-lengths.json: lengths of the first batches of the tutorial's run, in tokens. 1,000 rows of log-normal length,
batches of 4 grouped by length as transformers does: sorted inside windows of 50 batches, then shuffled."""

import json
import pathlib
import random

random.seed(0)
lengths = [min(1024, max(32, int(random.lognormvariate(5.8, 0.7)))) for _ in range(1000)]
order = list(range(1000))
random.shuffle(order)
windows = [sorted(order[k : k + 200], key=lambda i: -lengths[i]) for k in range(0, 1000, 200)]
order = [i for window in windows for i in window]
batches = [order[k : k + 4] for k in range(0, 1000, 4)]
random.Random(1).shuffle(batches)
rows = [[lengths[i] for i in batch] for batch in batches[:60]]
text = "[\n  " + ",\n  ".join(map(json.dumps, rows)) + "\n]\n"
pathlib.Path(__file__).with_name("tutorial-lengths.json").write_text(text)
