import { expect, it } from 'vitest'
import { heapLimitFor } from '../../kernel/runner/heap'

it("the cells' heap has 2 GB unless Node gives less or somebody asks for another size", () => {
  expect(heapLimitFor(4144, '--enable-source-maps')).toBe(2048)
  expect(heapLimitFor(1024, '')).toBe(1024)
  expect(heapLimitFor(8288, '--max-old-space-size=8288')).toBe(8288)
  expect(heapLimitFor(64, '--max_old_space_size=64')).toBe(64)
})
