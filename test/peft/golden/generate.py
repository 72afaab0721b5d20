"""Writes python-re.json: what Python's re says of these patterns and names. Run: python generate.py"""

import json
import re
from pathlib import Path

NAMES = [
    "model.layers.0.self_attn.q_proj",
    "model.layers.11.mlp.down_proj",
    "lm_head",
    "q_proj",
    "a.b",
    "model.layers.3.self_attn.o_proj",
    "x\n",
    "",
    "aaaa",
    "Ab_9",
    "é.ü",
    "model.vision.layers.1.k_proj",
]
PATTERNS = [
    ".*q_proj",
    ".*\\.(q|k|v)_proj",
    "model\\.layers\\.\\d+\\.mlp\\..*",
    "^(?!.*vision).*_proj$",
    "(?i)AB_\\d",
    "(?i:a)b_9",
    ".*(?<=self_attn)\\.[qo]_proj",
    ".*(?<!self_attn)\\.\\w+",
    "[^]]*",
    "[]a.b]+",
    "[a-c.]+",
    "a{2,}",
    "a{,4}",
    "a{3}",
    "a{2,3}?a*",
    "x$",
    "x\\Z",
    "\\Ax\\n?",
    "x.",
    "(?s)x.",
    "(?P<n>a+)(?P<m>a)",
    "(?P<n>a+?)(?P<m>a*)",
    "(?:.*?(?:language|text).*?(?:self_attn|mlp).*?(?:k_proj|v_proj).*?)|(?:\\bmodel\\.layers\\.[\\d]{1,}\\.(?:self_attn|attention|mlp)\\.(?:(?:k_proj|v_proj|q_proj|o_proj|down_proj)))",
    "\\w+\\.\\w+",
    "\\W",
    "[\\w.]+",
    "[^\\d]+",
    "(a|aa)+",
    "(a*)*",
    "(a*)+b?",
    "(?:a?){4}",
    ".{4}",
    "lm_head|embed.*",
    "(?#comment)lm_head",
    "(?x) lm _ head # c",
    ".*\\.(?P<idx>\\d+)\\..*",
    ".*?\\.(?P<idx>\\d+)\\.",
    "\\x61{4}",
    "a{",
    "a{x}",
    "\\.",
    "[\\b]",
    "\\bq_proj\\b",
    "(?m)^x$",
    "()|a",
    "(?=lm).*",
    "(?:(?=a)a)+",
    "[a\\-c]+",
    "[-a]+",
    "[a-]+",
    "\\u00e9\\.\\xfc",
    "(?:)",
    ".*(?:(?<=\\.)q|k)_proj",
]
BAD = [
    "(",
    ")",
    "a)",
    "[a",
    "*a",
    "a**",
    "a{2}{3}",
    "\\",
    "(?P<n>a",
    "(?z)",
    "[z-a]",
    "a{3,2}",
    "\\q",
    "(?<=a+)b",
    "a|*",
    "x(?i)y",
]

cases = []
for pattern in PATTERNS:
    regex = re.compile(pattern)
    found = [regex.match(name) for name in NAMES]
    cases.append(
        {
            "pattern": pattern,
            "fullmatch": [bool(regex.fullmatch(name)) for name in NAMES],
            "match": [match and match.groupdict() for match in found],
        }
    )
for pattern in BAD:
    try:
        re.compile(pattern)
    except re.error:
        continue
    raise SystemExit(f"Python takes {pattern}")
text = json.dumps({"names": NAMES, "cases": cases, "bad": BAD}, ensure_ascii=False, indent=1)
Path(__file__).with_name("python-re.json").write_text(text + "\n")
