"""Writes GOLDEN_FOLDER/rope.json: what transformers' ROPE_INIT_FUNCTIONS make of rotary parameters. Run: python rope.py GOLDEN_FOLDER"""

import json
import sys
from pathlib import Path

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

yarn = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 4096}
lists = {"short_factor": [1 + 0.1 * i for i in range(12)], "long_factor": [1 + 1.5 * i for i in range(12)]}
longrope = {"rope_type": "longrope", "original_max_position_embeddings": 4096, "partial_rotary_factor": 0.75, **lists}
dynamic = {"rope_type": "dynamic", "factor": 4.0}
# Parameters, head_dim, length of the pass.
cases = [
    (yarn, 64, 0),
    ({**yarn, "rope_theta": 1e6, "beta_fast": 16.0, "beta_slow": 2.0}, 128, 0),
    ({**yarn, "truncate": False, "attention_factor": 1.25}, 64, 0),
    ({**yarn, "mscale": 1.0, "mscale_all_dim": 0.7}, 64, 0),
    ({**yarn, "factor": 1.0}, 32, 0),
    ({**yarn, "original_max_position_embeddings": 8, "factor": 2.0}, 16, 0),
    (longrope, 32, 4096),
    (longrope, 32, 4097),
    ({**longrope, "factor": 32.0}, 32, 9000),
    ({**longrope, "attention_factor": 1.5}, 32, 10),
    (dynamic, 64, 16384),
    (dynamic, 64, 16385),
    (dynamic, 128, 100000),
]
out = []
for parameters, head_dim, length in cases:
    rope = {"rope_theta": 10000.0, **parameters}
    config = LlamaConfig(head_dim=head_dim, max_position_embeddings=16384, rope_parameters=dict(rope))
    frequencies, factor = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, "cpu", seq_len=length)
    case = {"rope_parameters": rope, "head_dim": head_dim, "length": length}
    out.append({**case, "inv_freq": frequencies.tolist(), "attention_factor": float(factor)})
(Path(sys.argv[1]) / "rope.json").write_text(json.dumps(out) + "\n")
