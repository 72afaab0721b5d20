import type { ParsedGenerateOptions } from './options'

type Fault = [when: unknown, message: string]

/** @throws Error when options contradict each other or need a missing one, with transformers' wording. */
export function checkCombination(o: ParsedGenerateOptions, rows: number, vocabSize: number): void {
  const beams = o.num_beams > 1
  const guided = o.guidance_scale !== null && o.guidance_scale !== 1
  const several = rows > 1 || o.num_return_sequences > 1
  const faults: Fault[] = [
    [
      o.stop_strings !== null && !o.tokenizer,
      "stop_strings need the model's tokenizer: give `tokenizer` beside them",
    ],
    [
      beams && o.num_return_sequences > o.num_beams,
      `num_return_sequences ${o.num_return_sequences} has to be at most num_beams, ${o.num_beams}`,
    ],
    [
      !beams && !o.do_sample && o.num_return_sequences > 1,
      `num_return_sequences ${o.num_return_sequences} would give equal answers: set do_sample: true, or num_beams`,
    ],
    [o.streamer && beams, 'a streamer cannot follow beams: set num_beams: 1'],
    [o.streamer && several, 'a streamer takes one answer to one prompt'],
    [o.past_key_values && several, 'past_key_values holds one answer to one prompt'],
    [o.past_key_values && beams, 'past_key_values cannot follow beams: set num_beams: 1'],
    [
      o.prompt_lookup_num_tokens !== null && beams,
      'prompt_lookup_num_tokens is not for beams: set num_beams: 1',
    ],
    [guided && beams, 'guidance_scale is not for beams: set num_beams: 1'],
    [
      !guided && o.negative_prompt_ids !== null,
      'negative_prompt_ids do nothing without guidance_scale: set it to a number other than 1',
    ],
    ...tokenFaults(o, vocabSize),
  ]
  const fault = faults.find(([when]) => when)
  if (fault) throw new Error(`[generate] ${fault[1]}`)
}

/** Token ids in options that are outside the vocabulary. */
function tokenFaults(o: ParsedGenerateOptions, vocabSize: number): Fault[] {
  const named: Record<string, readonly number[]> = {
    bad_words_ids: (o.bad_words_ids ?? []).flat(),
    sequence_bias: (o.sequence_bias ?? []).flatMap(([ids]) => ids),
    forced_bos_token_id: [o.forced_bos_token_id ?? []].flat(),
    forced_eos_token_id: [o.forced_eos_token_id ?? []].flat(),
    negative_prompt_ids: (o.negative_prompt_ids ?? []).flat(),
  }
  return Object.entries(named).map(([name, ids]) => {
    const wrong = ids.find((id) => id >= vocabSize)
    return [
      wrong !== undefined,
      `${name}: token id ${wrong} is none of the vocabulary, which has ${vocabSize} tokens`,
    ]
  })
}
