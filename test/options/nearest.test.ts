import { describe, expect, it } from 'vitest'

import { nearest, unknownNameError } from '../../src/options/nearest'

describe('nearest', () => {
  const known = ['learning_rate', 'num_train_epochs', 'max_steps', 'r', 'target_modules']

  it('finds the name with the fewest edits', () => {
    expect(nearest('learning_rat', known)).toBe('learning_rate')
    expect(nearest('leanring_rate', known)).toBe('learning_rate')
    expect(nearest('learningRate', known)).toBe('learning_rate')
    expect(nearest('max_step', known)).toBe('max_steps')
  })

  it('accepts a beginning or a continuation of a known name', () => {
    expect(nearest('target', known)).toBe('target_modules')
    expect(nearest('num_train_epochs_total', known)).toBe('num_train_epochs')
  })

  it('stays silent when nothing is close', () => {
    expect(nearest('deepspeed', known)).toBeUndefined()
    expect(nearest('', known)).toBeUndefined()
    expect(nearest('x', [])).toBeUndefined()
  })
})

describe('unknownNameError', () => {
  it('names the nearest, else lists what there is', () => {
    const near = unknownNameError('TrainingArguments', 'learning_rat', ['learning_rate'])
    expect(near).toBeInstanceOf(TypeError)
    expect(near.message).toBe(
      "[TrainingArguments] unknown option 'learning_rat'. Did you mean 'learning_rate'?",
    )
    expect(unknownNameError('Dataset', 'zzz', ['text', 'label'], 'column').message).toBe(
      "[Dataset] unknown column 'zzz'. Known: text, label.",
    )
    const many = Array.from({ length: 50 }, (_, i) => `name${i}`)
    expect(unknownNameError('X', 'qqqqqqqq', many).message).toContain('name39, ... (50 in all).')
  })
})
