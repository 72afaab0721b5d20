/**
 * Changes the scores of the next token in place. `ids`: the sequence so far, prompt and answer, without
 * padding. The rules are those of transformers' classes with the same names in generation/logits_process.py.
 */
export type LogitsProcessor = (ids: readonly number[], scores: Float32Array) => void

/** A sequence of tokens, and the number to add to the last one's score if the others precede it. */
export type SequenceBias = readonly (readonly [ids: readonly number[], bias: number])[]

function setAll(scores: Float32Array, ids: Iterable<number>, value: number): void {
  for (const id of ids) if (id < scores.length) scores[id] = value
}

function force(scores: Float32Array, ids: readonly number[]): void {
  scores.fill(-Infinity)
  setAll(scores, ids, 0)
}

/** Makes the tokens of `tokens()` less likely for a penalty above 1, more likely below (Keskar et al. 2019). */
function penalize(scores: Float32Array, tokens: Iterable<number>, penalty: number): void {
  for (const id of new Set(tokens)) {
    const value = scores[id]!
    scores[id] = value < 0 ? value * penalty : value / penalty
  }
}

export function repetitionPenalty(penalty: number): LogitsProcessor {
  return (ids, scores) => penalize(scores, ids, penalty)
}

/** Above 1, the prompt's tokens become more likely. */
export function encoderRepetitionPenalty(penalty: number, prompt: readonly number[]): LogitsProcessor {
  return (_, scores) => penalize(scores, prompt, 1 / penalty)
}

export function sequenceBias(biases: SequenceBias): LogitsProcessor {
  return (ids, scores) => {
    for (const [sequence, bias] of biases) {
      const before = sequence.length - 1
      if (before <= ids.length && sequence.slice(0, -1).every((id, i) => ids[ids.length - before + i] === id))
        scores[sequence[before]!]! += bias
    }
  }
}

/** No n-gram occurs twice in the sequence. */
export function noRepeatNgram(size: number): LogitsProcessor {
  return (ids, scores) => {
    const before = size - 1
    const suffix = ids.slice(ids.length - before)
    for (let begin = 0; begin + size <= ids.length; begin++)
      if (suffix.every((id, i) => ids[begin + i] === id)) scores[ids[begin + before]!] = -Infinity
  }
}

/** No n-gram of the prompt occurs in the answer. */
export function encoderNoRepeatNgram(size: number, prompt: readonly number[]): LogitsProcessor {
  return (ids, scores) => {
    const before = size - 1
    const suffix = ids.slice(ids.length - before)
    if (suffix.length < before) return
    for (let begin = 0; begin + size <= prompt.length; begin++)
      if (suffix.every((id, i) => prompt[begin + i] === id)) scores[prompt[begin + before]!] = -Infinity
  }
}

/** The answer does not end before the sequence has this many tokens. */
export function minLength(length: number, ends: readonly number[]): LogitsProcessor {
  return (ids, scores) => {
    if (ids.length < length) setAll(scores, ends, -Infinity)
  }
}

/** Only the tokens that `allowed` returns. */
export function prefixConstrained(
  allowed: (batch_id: number, input_ids: readonly number[]) => readonly number[],
  batch: number,
): LogitsProcessor {
  return (ids, scores) => {
    const tokens = allowed(batch, ids)
    if (tokens.length === 0)
      throw new Error(
        `[generate] prefix_allowed_tokens_fn returned no token for row ${batch}: nothing can follow there`,
      )
    const kept = tokens.map((id) => [id, scores[id]!] as const)
    const possible = kept.some(([, value]) => value !== -Infinity)
    scores.fill(-Infinity)
    for (const [id, value] of kept) scores[id] = possible ? value : 0
  }
}

export function forcedBegin(token: number): LogitsProcessor {
  return (ids, scores) => {
    if (ids.length === 1) force(scores, [token])
  }
}

export function forcedEnd(maxLength: number, tokens: readonly number[]): LogitsProcessor {
  return (ids, scores) => {
    if (ids.length === maxLength - 1) force(scores, tokens)
  }
}

const LARGEST = 3.4028234663852886e38

/** NaN becomes 0, infinities the largest float32 of their sign. */
export function removeInvalid(): LogitsProcessor {
  return (_, scores) => {
    for (let i = 0; i < scores.length; i++) {
      const value = scores[i]!
      if (Number.isNaN(value)) scores[i] = 0
      else if (!Number.isFinite(value)) scores[i] = Math.sign(value) * LARGEST
    }
  }
}

/** From `start` tokens on, end tokens get |score| * (factor^n - 1), where n is the number of tokens beyond. */
export function exponentialDecay(start: number, factor: number, ends: readonly number[]): LogitsProcessor {
  return (ids, scores) => {
    const beyond = ids.length - start
    if (beyond <= 0) return
    for (const end of ends)
      if (Number.isFinite(scores[end])) scores[end]! += Math.abs(scores[end]!) * (factor ** beyond - 1)
  }
}

export function suppress(tokens: readonly number[]): LogitsProcessor {
  return (_, scores) => setAll(scores, tokens, -Infinity)
}

export function suppressAtBegin(tokens: readonly number[], begin: number): LogitsProcessor {
  return (ids, scores) => {
    if (ids.length === begin) setAll(scores, tokens, -Infinity)
  }
}

/** The logarithm of the softmax, in place. */
export function logSoftmax(scores: Float32Array): void {
  let most = -Infinity
  for (const value of scores) if (value > most) most = value
  let total = 0
  for (const value of scores) total += Math.exp(value - most)
  const log = most + Math.log(total)
  for (let i = 0; i < scores.length; i++) scores[i]! -= log
}
