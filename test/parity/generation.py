"""What transformers' generation does: scores after each rule, greedy ids, beams. Run: python generation.py GOLDEN_FOLDER

Writes GOLDEN_FOLDER/generation.json. Numbers are float32; "-inf", "inf" and "nan" are texts.
"""

import json
import math
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.generation.logits_process import LogitsProcessorList

VOCAB = 48
families = [
    "tiny-llama",
    "tiny-llama-bias",
    "tiny-llama-rope3",
    "tiny-llama-tied",
    "tiny-mistral-swa",
    "tiny-qwen2",
    "tiny-qwen3",
    "tiny-smollm3",
    "tiny-granite",
]
prompts = [[5, 77, 200, 13], [9, 8, 7, 6, 5, 4, 3, 250], [42, 99]]

# Each runs on `logits` with `sequence` as prompt and answer; `prompt` tokens of it are the prompt.
rules = {
    "temperature": {"temperature": 0.7},
    "temperature above 1": {"temperature": 1.9},
    "top_k": {"top_k": 5},
    "top_k 1": {"top_k": 1},
    "top_p": {"top_p": 0.6},
    "top_p small": {"top_p": 0.05},
    "top_p 0": {"top_p": 0.0},
    "top_h": {"top_h": 0.4},
    "top_h 1": {"top_h": 1.0},
    "min_p": {"min_p": 0.2},
    "typical_p": {"typical_p": 0.5},
    "typical_p large": {"typical_p": 0.95},
    "epsilon_cutoff": {"epsilon_cutoff": 0.03},
    "epsilon_cutoff above all": {"epsilon_cutoff": 0.9},
    "eta_cutoff": {"eta_cutoff": 0.1},
    "repetition_penalty": {"repetition_penalty": 1.4},
    "repetition_penalty below 1": {"repetition_penalty": 0.8},
    "encoder_repetition_penalty": {"encoder_repetition_penalty": 1.5},
    "no_repeat_ngram_size": {"no_repeat_ngram_size": 2},
    "no_repeat_ngram_size 1": {"no_repeat_ngram_size": 1},
    "no_repeat_ngram_size 3": {"no_repeat_ngram_size": 3},
    "encoder_no_repeat_ngram_size": {"encoder_no_repeat_ngram_size": 2},
    "bad_words_ids": {"bad_words_ids": [[3], [7, 11], [5, 9], [2], [4, 7, 12]]},
    "sequence_bias": {"sequence_bias": [[[3], -2.5], [[7, 11], 4.0], [[1, 9], 4.0], [[4, 7, 12], 1.5]]},
    "suppress_tokens": {"suppress_tokens": [1, 30, 47]},
    "begin_suppress_tokens": {"begin_suppress_tokens": [1, 30]},
    "begin_suppress_tokens at begin": {"begin_suppress_tokens": [1, 30], "prompt": 9},
    "min_length": {"min_length": 12},
    "min_length reached": {"min_length": 9},
    "min_new_tokens": {"min_new_tokens": 4},
    "min_new_tokens reached": {"min_new_tokens": 3},
    "forced_bos_token_id": {"forced_bos_token_id": 6, "sequence": [4], "prompt": 1},
    "forced_eos_token_id": {"forced_eos_token_id": 6, "max_length": 10},
    "forced_eos_token_id later": {"forced_eos_token_id": [6, 7], "max_length": 11},
    "exponential_decay_length_penalty": {"exponential_decay_length_penalty": [1, 1.3]},
    "exponential_decay_length_penalty later": {"exponential_decay_length_penalty": [3, 1.3]},
    "remove_invalid_values": {"remove_invalid_values": True, "logits": "broken"},
    "renormalize_logits": {"renormalize_logits": True, "top_k": 6},
    "all of sampling": {
        "temperature": 0.8,
        "top_k": 30,
        "top_p": 0.9,
        "min_p": 0.02,
        "typical_p": 0.9,
        "epsilon_cutoff": 0.001,
        "eta_cutoff": 0.001,
        "repetition_penalty": 1.2,
        "renormalize_logits": True,
    },
    "bias before penalty": {"sequence_bias": [[[4], 3.0]], "repetition_penalty": 2.0, "suppress_tokens": [4]},
    "beams": {"num_beams": 2, "top_k": 1, "top_p": 0.01, "min_p": 0.99, "epsilon_cutoff": 0.9},
    "beams typical": {"num_beams": 2, "top_k": 0, "typical_p": 0.01},
}


def plain(value):
    if isinstance(value, torch.Tensor):
        return plain(value.tolist())
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float):
        # A float32 is known by nine digits.
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)
    return value


def processor_cases():
    torch.manual_seed(3)
    spread = torch.randn(VOCAB) * 2
    spread[10] = spread[11]
    flat = torch.randn(VOCAB) * 0.05
    broken = spread.clone()
    broken[0], broken[1], broken[2] = math.nan, math.inf, -math.inf
    logits = {"spread": spread, "flat": flat, "broken": broken}
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    model = LlamaForCausalLM(config)
    sequence = [4, 7, 12, 1, 9, 4, 7, 12, 4]
    cases = []
    for name, given in rules.items():
        options = dict(given)
        ids = torch.tensor([options.pop("sequence", sequence)])
        prompt = options.pop("prompt", 6)
        for kind in [options.pop("logits", None)] if "logits" in options else ["spread", "flat"]:
            # The caller's own: processors and samplers alike.
            generation = GenerationConfig(
                do_sample=True, eos_token_id=[2, 20], **{"top_k": 0, "max_length": 100, **options}
            )
            model._prepare_special_tokens(generation, device=torch.device("cpu"))
            processors = model._get_logits_processor(
                generation,
                input_ids_seq_length=prompt,
                encoder_input_ids=ids[:, :prompt],
                logits_processor=LogitsProcessorList(),
                device="cpu",
                model_kwargs={},
            )
            scores = processors(ids, logits[kind][None].clone())[0]
            cases.append(
                {
                    "name": name,
                    "options": {"top_k": 0, **options},
                    "logits": kind,
                    "sequence": ids[0].tolist(),
                    "prompt": prompt,
                    "scores": plain(scores),
                }
            )
    return {"ends": [2, 20], "logits": {k: plain(v) for k, v in logits.items()}, "cases": cases}


def left_padded(rows):
    width = max(len(row) for row in rows)
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}, width


def answers(model, rows, **options):
    """The answers without padding: up to the first end token, or all."""
    inputs, width = left_padded(rows)
    ends = options.get("eos_token_id") or []
    options = {"pad_token_id": 0, "do_sample": False, **options}
    if not ends:
        options["eos_token_id"] = None
        model.generation_config.eos_token_id = None
        model.config.eos_token_id = None
    out = model.generate(**inputs, **options, return_dict_in_generate=True, output_scores=True)
    found = []
    for row in out.sequences[:, width:].tolist():
        end = next((i for i, id in enumerate(row) if id in ends), len(row) - 1)
        found.append(row[: end + 1])
    return found, out


def main():
    golden = Path(sys.argv[1])
    out = {"processors": processor_cases(), "prompts": prompts, "greedy": {}, "options": [], "beams": []}
    for name in families:
        model = AutoModelForCausalLM.from_pretrained(golden / name, dtype=torch.float32)
        # Their vocabularies differ in size.
        rows = [[id % model.config.vocab_size for id in row] for row in prompts]
        out["greedy"][name] = [answers(model, [row], max_new_tokens=64)[0][0] for row in rows]
    model = AutoModelForCausalLM.from_pretrained(golden / "tiny-llama", dtype=torch.float32)
    frequent = [id for row in out["greedy"]["tiny-llama"] for id in row[6:9]]
    for options in [
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {"min_new_tokens": 9, "eos_token_id": frequent[:3]},
        {"encoder_repetition_penalty": 1.3, "suppress_tokens": frequent[3:5]},
        {"forced_eos_token_id": 7, "begin_suppress_tokens": frequent[:2]},
        {"guidance_scale": 1.7, "rows": 1},
        {"guidance_scale": 1.7, "negative_prompt_ids": [[8, 30, 31]], "rows": 1},
        {"exponential_decay_length_penalty": [3, 1.6], "eos_token_id": frequent[:3]},
    ]:
        given = {**options, "max_new_tokens": 16}
        rows = prompts[: given.pop("rows", 3)]
        # The shortest rows do not change what transformers counts as the prompt's tokens.
        found = []
        for row in rows:
            asked = dict(given)
            if "negative_prompt_ids" in asked:
                asked["negative_prompt_ids"] = torch.tensor(asked["negative_prompt_ids"])
            found.append(answers(model, [row], **asked)[0][0])
        out["options"].append({"options": given, "rows": len(rows), "answers": found})
    for options in [
        {"num_beams": 3},
        {"num_beams": 4, "num_return_sequences": 4},
        {"num_beams": 4, "eos_token_id": frequent[:3], "num_return_sequences": 3},
        {"num_beams": 4, "eos_token_id": frequent[:3], "early_stopping": True, "num_return_sequences": 4},
        {"num_beams": 4, "eos_token_id": frequent[:3], "early_stopping": "never", "length_penalty": 2.0},
        {"num_beams": 3, "eos_token_id": frequent[:3], "length_penalty": -1.0, "num_return_sequences": 3},
        {"num_beams": 3, "eos_token_id": frequent[:3], "length_penalty": 0.0, "num_return_sequences": 2},
        {"num_beams": 3, "repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "num_return_sequences": 2},
    ]:
        ends = options.get("eos_token_id")
        asked = {**options, "max_new_tokens": 12}
        found, result = answers(model, prompts, **asked)
        lengths = (result.beam_indices >= 0).sum(dim=1).tolist()
        out["beams"].append(
            {
                "options": {**asked, "eos_token_id": ends or []},
                "answers": [row[:n] for row, n in zip(found, lengths, strict=True)],
                "scores": plain(result.sequences_scores),
                "beam_indices": [row[:n] for row, n in zip(result.beam_indices.tolist(), lengths, strict=True)],
                "first_scores": plain(result.scores[1][:4, :6]),
            }
        )
    _, result = answers(model, prompts[:1], max_new_tokens=3)
    out["scores"] = [plain(step[0, :32]) for step in result.scores]
    (golden / "generation.json").write_text(json.dumps(out) + "\n")


main()
