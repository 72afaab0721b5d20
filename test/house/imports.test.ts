import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findCycle, importsUnder } from './import-graph'

const root = resolve(__dirname, '../..')
const imports = importsUnder(resolve(root, 'src'))

/** A file's room: its folder under src, or the file itself when it lies in src. */
const roomOf = (file: string): string => file.split('/')[0]!

/** The floors as docs/architecture.md states them, highest first, each with its rooms. */
function statedFloors(): string[][] {
  const doc = readFileSync(resolve(root, 'docs/architecture.md'), 'utf8')
  const line = /^`(trainer\b.* → .*)`$/m.exec(doc)?.[1]
  return (line ?? '').split('→').map((floor) => floor.split(',').map((room) => room.trim()))
}

/** Rooms that import no other room but each other, and those that may import every room. */
const ground = ['files', 'options', 'logging']
const top = ['cli', 'index', 'rich-values', 'experimental', 'tfjs']

/** Tensor and Device create each other; nothing else may. */
const allowedCycle = new Set(['tensor/tensor', 'tensor/device'])

describe('imports of src', () => {
  const floors = statedFloors()
  const floorOf = (room: string): number => {
    if (ground.includes(room)) return floors.length
    if (top.includes(room)) return -1
    return floors.findIndex((rooms) => rooms.includes(room))
  }

  it('every room has a floor in docs/architecture.md', () => {
    const rooms = new Set(imports.flatMap(({ from, to }) => [roomOf(from), roomOf(to)]))
    const known = [...floors.flat(), ...ground, ...top]
    expect([...rooms].filter((room) => !known.includes(room))).toEqual([])
    expect(floors.flat().length).toBeGreaterThan(10)
  })

  it('go down only, types included', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [a, b] = [roomOf(from), roomOf(to)]
      if (a === b || [ground, top].some((rooms) => rooms.includes(a) && rooms.includes(b))) return false
      return floorOf(a) >= floorOf(b)
    })
    expect(wrong).toEqual([])
  })

  it('form no cycle of files', () => {
    const others = imports.filter(({ from, to }) => !(allowedCycle.has(from) && allowedCycle.has(to)))
    expect(findCycle(others)).toBeUndefined()
  })
})

describe('imports of the kernel', () => {
  const kernel = importsUnder(resolve(root, 'kernel'))

  it('never reach into src, nor src into the kernel', () => {
    const outside = [...kernel, ...imports].filter(({ to }) => to.startsWith('..'))
    expect(outside).toEqual([])
  })

  it('form no cycle of files', () => {
    expect(findCycle(kernel)).toBeUndefined()
  })
})

describe('findCycle', () => {
  it('sees a cycle of three files, and ignores one that is closed by a type', () => {
    const chain = [
      { from: 'a', to: 'b', isType: false },
      { from: 'b', to: 'c', isType: false },
    ]
    expect(findCycle([...chain, { from: 'c', to: 'a', isType: false }])).toEqual(['a', 'b', 'c', 'a'])
    expect(findCycle([...chain, { from: 'c', to: 'a', isType: true }])).toBeUndefined()
  })
})
