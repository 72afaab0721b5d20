/**
 * `check(name, answer)` of the course's exercises: says whether an answer is right, and where it is not, what to think of next; never
 * the answer. Solutions: solutions.md.
 */
interface Exercise {
  right: (answer: unknown) => boolean
  /** The first that applies is told; the last one always does. */
  hints: { when?: (answer: unknown) => boolean; en: string; zh: string }[]
}

const near = (value: number, tolerance: number) => (answer: unknown) =>
  typeof answer === 'number' && Math.abs(answer - value) <= tolerance
const isNumber = (answer: unknown): answer is number => typeof answer === 'number' && Number.isFinite(answer)
const noNumber = { when: (answer: unknown) => !isNumber(answer), en: 'The answer is a number.', zh: '答案应当是一个数。' }

const exercises: Record<string, Exercise> = {
  'nf4-bits': {
    right: near(4.127, 0.002),
    hints: [
      noNumber,
      {
        when: near(4.5, 0.01),
        en: 'That is without double quantization: what does a scale of 8 bits a block cost, and the scales of the scales?',
        zh: '这是没有双重量化时的值。每块的缩放因子只占 8 位时是多少？缩放因子自己的缩放因子又占多少？',
      },
      {
        when: near(4.125, 0.0009),
        en: 'Almost: 256 blocks share one more float32 number.',
        zh: '差一点：每 256 块还共用一个 float32 数。',
      },
      { en: 'Count the bits of one block of 64 weights, then divide by 64.', zh: '先数一块（64 个权重）一共多少位，再除以 64。' },
    ],
  },
  'nf4-outlier': {
    right: (answer) => isNumber(answer) && answer > 6 && answer < 14,
    hints: [
      noNumber,
      { when: (answer) => isNumber(answer) && answer < 1.5, en: 'An outlier makes the other 63 weights worse: compare errors with and without it.', zh: '离群值会让其余 63 个权重变差：比较有它和没有它时的误差。' },
      { en: 'Take the ratio of the two root mean square errors of the same 63 weights.', zh: '取同样 63 个权重的两个均方根误差之比。' },
    ],
  },
  'lora-count': {
    right: (answer) => answer === 16 * (576 + 1536),
    hints: [
      noNumber,
      { when: (answer) => answer === 576 * 1536, en: 'That is the frozen matrix. A is r x 576, B is 1536 x r.', zh: '那是被冻结的矩阵。A 是 r x 576，B 是 1536 x r。' },
      { en: 'Add the sizes of A and B for r = 16.', zh: '把 r = 16 时 A 和 B 的元素个数加起来。' },
    ],
  },
  'lora-first-gradient': {
    right: (answer) => answer === 'A',
    hints: [
      { when: (answer) => answer === 'B', en: 'The gradient of B goes through A, which is random. Which one goes through a matrix of zeros?', zh: 'B 的梯度经过随机的 A。谁的梯度要经过一个全零矩阵？' },
      { en: "The answer is 'A' or 'B': look at the two norms above.", zh: "答案是 'A' 或 'B'：看上面的两个范数。" },
    ],
  },
  'data-share': {
    right: (answer) => isNumber(answer) && answer > 0.4 && answer < 0.95,
    hints: [
      { when: (answer) => isNumber(answer) && answer > 1, en: 'A share lies between 0 and 1.', zh: '比例在 0 和 1 之间。' },
      { en: 'Labels that are not -100, divided by all labels.', zh: '不等于 -100 的标签数，除以标签总数。' },
    ],
  },
  'loop-accumulate': {
    right: (answer) => answer === true,
    hints: [{ en: 'The two gradients agree to rounding: compare with a tolerance, not with ===.', zh: '两个梯度在舍入误差内相等：用容差比较，不要用 ===。' }],
  },
  'loss-weight': {
    right: (answer) => isNumber(answer) && answer > 0,
    hints: [{ en: 'The loss of the weighted run: a positive number.', zh: '加权训练的损失：一个正数。' }],
  },
  'memory-longest': {
    right: (answer) => isNumber(answer) && [4096, 8192, 16384].includes(answer),
    hints: [
      { when: (answer) => isNumber(answer) && answer < 4096, en: 'The lean plan takes more: double the length until it does not fit.', zh: 'lean 方案还能更长：把长度加倍，直到放不下。' },
      { en: 'One of the lengths that you gave, the longest whose row says lean.', zh: '是你给出的长度之一：fits 一列为 lean 的最长者。' },
    ],
  },
}

/** Says what is thought of an answer, in the language of the folder that the notebook lies in. */
export function check(name: string, answer: unknown): void {
  const language = process.cwd().endsWith('zh') ? 'zh' : 'en'
  const exercise = exercises[name]
  if (!exercise) throw new Error(`no exercise '${name}': there are ${Object.keys(exercises).join(', ')}`)
  if (exercise.right(answer)) return console.log(language === 'zh' ? '✓ 正确' : '✓ right')
  const hint = exercise.hints.find(({ when }) => !when || when(answer))!
  console.log(`${language === 'zh' ? '还不对。' : 'Not yet. '}${hint[language]}`)
}

/** For the test: every exercise's name. */
export const names: readonly string[] = Object.keys(exercises)
