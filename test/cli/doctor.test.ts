import { beforeAll, describe, expect, it, vi, onTestFinished } from 'vitest'
import { examine, type Finding } from '../../src/cli/doctor'
import { findTool } from '../../src/cli/find'
import { cuda } from '../../src/tensor/cuda'

let findings: Finding[] = []
const found = (what: string): Finding | undefined => findings.find((finding) => finding.what === what)

beforeAll(async () => {
  vi.stubEnv('HF_TOKEN', 'hf_secret')
  vi.stubEnv('HF_ENDPOINT', 'https://mirror.example')
  findings = await examine()
  vi.unstubAllEnvs()
}, 60_000)

describe('qlora doctor', () => {
  it('finds Node, the addon and the processor', () => {
    expect(found('Node.js')?.text).toContain(process.version)
    expect(found('addon')).toMatchObject({ state: 'ok', text: expect.stringMatching(/\.node$/) as string })
    expect(found('processor')?.text).toMatch(/\d+ threads$/)
  })

  it.skipIf(cuda.is_available())('without a GPU says where everything runs, and why', () => {
    expect(found('NVIDIA driver')).toMatchObject({
      state: 'absent',
      text: 'nvidia-smi is not on PATH or names no GPU: everything runs on the CPU',
    })
    const library = found('CUDA library')
    if (library?.state === 'ok') expect(found('GPU')?.text).toContain('no usable NVIDIA GPU')
    else expect(library?.text).toContain('qlora-cuda.so was not built')
  })

  it('a tool that is not there is told with the places searched', () => {
    vi.stubEnv('PATH', '/nowhere/bin')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(findTool('nvcc', ['/no/cuda/bin', undefined])).toEqual({
      file: undefined,
      searched: '/no/cuda/bin, PATH',
    })
  })

  it('the hub line tells the endpoint but never the token', () => {
    const { text } = found('hub')!
    expect(text).toContain('endpoint https://mirror.example')
    expect(text).toContain('HF_TOKEN is set')
    expect(text).not.toContain('secret')
  })
})
