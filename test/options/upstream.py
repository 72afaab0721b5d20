"""Writes upstream.json: names and declared defaults of the options of the Python libraries. Run with the oracle's Python."""

import dataclasses
import enum
import inspect
import json
import pathlib

import datasets
import torch
import transformers
import trl
import trl.experimental.orpo

import peft


def plain(value):
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, tuple, list)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value) if isinstance(value, torch.dtype) else None


def fields(cls):
    found = {}
    for field in dataclasses.fields(cls):
        missing = field.default is dataclasses.MISSING
        made = missing and field.default_factory is not dataclasses.MISSING
        found[field.name] = plain(field.default_factory() if made else field.default)
    return found


def parameters(function, skipped=()):
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {
        name: plain(parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in kinds and name not in ("self", *skipped)
    }


arguments = fields(transformers.TrainingArguments)
generation = {
    name: plain(value) for name, value in vars(transformers.GenerationConfig()).items() if not name.startswith("_")
}
del generation["transformers_version"]
libraries = (transformers, trl, peft, datasets)
orpo = trl.experimental.orpo


def beyond_arguments(cls):
    """What a configuration adds to TrainingArguments, or has another default for."""
    return {k: v for k, v in fields(cls).items() if k not in arguments or arguments[k] != v}


upstream = {
    "versions": {library.__name__: library.__version__ for library in libraries},
    "TrainingArguments": arguments,
    "SFTConfig": beyond_arguments(trl.SFTConfig),
    "DPOConfig": beyond_arguments(trl.DPOConfig),
    "KTOConfig": beyond_arguments(trl.KTOConfig),
    "ORPOConfig": beyond_arguments(orpo.ORPOConfig),
    "LoraConfig": fields(peft.LoraConfig),
    "BitsAndBytesConfig": parameters(transformers.BitsAndBytesConfig.__init__),
    "SFTTrainer": parameters(trl.SFTTrainer.__init__),
    "DPOTrainer": parameters(trl.DPOTrainer.__init__),
    "KTOTrainer": parameters(trl.KTOTrainer.__init__),
    "ORPOTrainer": parameters(orpo.ORPOTrainer.__init__),
    "load_dataset": parameters(datasets.load_dataset, ("path",)),
    "generate": {**generation, **parameters(transformers.GenerationMixin.generate)},
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(upstream, indent=2) + "\n")
