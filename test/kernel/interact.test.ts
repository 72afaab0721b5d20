import { describe, expect, it } from 'vitest'
import { Comms } from '../../kernel/runner/comms'
import { createInteract, type Control } from '../../kernel/runner/interact'
import type { Bundle, CommMessage } from '../../kernel/runner/messages'

type Opened = { comm_id: string; data: { state: Record<string, unknown> } }

function desk(): {
  interact: ReturnType<typeof createInteract>
  models: () => Record<string, unknown>[]
  shown: { data: Bundle; update: boolean }[]
  move: (name: string, state: object) => Promise<void>
} {
  const sent: Omit<CommMessage, 'run'>[] = []
  const comms = new Comms((message) => void sent.push(message))
  const shown: { data: Bundle; update: boolean }[] = []
  const opened = (): Opened[] =>
    sent.filter(({ kind }) => kind === 'comm_open').map(({ content }) => content as never)
  return {
    interact: createInteract(comms.open, (data, _, update) => void shown.push({ data, update })),
    models: () => opened().map(({ data }) => data.state),
    shown,
    move: async (name, state) => {
      const { comm_id } = opened().find(({ data }) => data.state['description'] === name)!
      const content = { comm_id, data: { method: 'update', state } }
      await comms.receive({ run: 0, kind: 'comm_msg', content, metadata: {}, buffers: [] })
    },
  }
}

const slider: Record<string, Control> = { r: [4, 64] }

describe('interact', () => {
  it('opens a control of its kind for each name, in a box, and shows what the function returns', async () => {
    const { interact, models, shown } = desk()
    const controls: Record<string, Control> = {
      r: [4, 64],
      rate: [0, 1, 0.1],
      optim: ['adamw', 'lion'],
      bf16: true,
      name: 'x',
      n: 3,
    }
    await interact(controls, (values) => JSON.stringify(values))
    const named = models().filter((state) => 'description' in state)
    expect(
      named.map((state) => [state['description'], state['_model_name'], state['value'] ?? state['index']]),
    ).toEqual([
      ['r', 'IntSliderModel', 4],
      ['rate', 'FloatSliderModel', 0],
      ['optim', 'DropdownModel', 0],
      ['bf16', 'CheckboxModel', true],
      ['name', 'TextModel', 'x'],
      ['n', 'FloatTextModel', 3],
    ])
    expect(named[1]).toMatchObject({ min: 0, max: 1, step: 0.1 })
    const box = models().at(-1)!
    expect(box['_model_name']).toBe('VBoxModel')
    expect(box['children']).toHaveLength(6)
    expect(shown[0]!.data['application/vnd.jupyter.widget-view+json']).toContain('model_id')
    expect(shown[1]).toEqual({
      data: { 'text/plain': `'{"r":4,"rate":0,"optim":"adamw","bf16":true,"name":"x","n":3}'` },
      update: false,
    })
  })

  it('computes again when a control is moved, in the place of what was there', async () => {
    const { interact, shown, move } = desk()
    await interact(
      { ...slider, optim: ['adamw', 'lion'] },
      ({ r, optim }) => `${String(optim)} ${Number(r) * 2}`,
    )
    await move('r', { value: 21 })
    await move('optim', { index: 1 })
    await move('optim', { outputs: [] })
    expect(shown.slice(1).map(({ data, update }) => [data['text/plain'], update])).toEqual([
      ["'adamw 8'", false],
      ["'adamw 42'", true],
      ["'lion 42'", true],
    ])
  })

  it('of moves that come while it computes, only the last counts', async () => {
    const { interact, shown, move } = desk()
    let open = (): void => {}
    const seen: unknown[] = []
    const slow = async ({ r }: Record<string, unknown>): Promise<string> => {
      seen.push(r)
      if (seen.length > 1) await new Promise<void>((resolve) => (open = resolve))
      return String(r)
    }
    await interact(slider, slow)
    const first = move('r', { value: 5 })
    await Promise.resolve()
    await move('r', { value: 6 })
    await move('r', { value: 7 })
    open()
    await new Promise((resolve) => setTimeout(resolve, 0))
    open()
    await first
    expect(seen).toEqual([4, 5, 7])
    expect(shown.at(-1)!.data['text/plain']).toBe("'7'")
  })

  it.each<[unknown, RegExp]>([
    [{ r: [64, 4] }, /r: got \[64,4\], needs \[min, max\]/],
    [{ r: null }, /r: got null/],
    [{ r: [] }, /r: got \[\]/],
    [{}, /give a control/],
  ])('refuses %j', async (controls, message) => {
    await expect(desk().interact(controls as never, () => 1)).rejects.toThrow(message)
  })
})
