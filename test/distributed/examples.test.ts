import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { rankPlace } from '../../src/distributed/environment'
import { temporaryFolder } from '../files/support/temporary'
import { golden } from '../support/shared'
import { sharedTokenizer } from '../trainer/tiny'
import { missing, mpirun } from './ranks'

interface Secret {
  metadata: { name: string }
  stringData: Record<string, string>
}

interface Job {
  spec: {
    trainer: {
      numProcPerNode: number
      command: string[]
      env: [{ name: string; valueFrom: { secretKeyRef: { name: string; key: string } } }]
      resourcesPerNode: { limits: Record<string, number> }
    }
  }
}

const folder = resolve(__dirname, '../../examples/distributed')
const text = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')
const python = resolve(__dirname, '../../.venv/bin/python')
const noPython = existsSync(python) ? '' : `: ${python} is missing, run npm run setup`

describe.skipIf(missing)(`examples/distributed/train.mjs${missing}`, () => {
  it('two ranks under mpirun: trained, and written by rank 0', async () => {
    const [model, output] = [await temporaryFolder(), join(await temporaryFolder(), 'out')]
    await cp(golden('tiny-llama'), model, { recursive: true })
    await (await sharedTokenizer()).save_pretrained(model)
    const { status, stdout, stderr } = spawnSync(
      'mpirun',
      [...mpirun(2), process.execPath, join(folder, 'train.mjs'), model, join(folder, 'data.jsonl'), output],
      { encoding: 'utf8' },
    )
    expect(status, stderr).toBe(0)
    expect(stdout).toMatch(/2 ranks, mean loss \d+\.\d+: /)
    // 8 rows are 4 batches: 2 steps an epoch.
    expect((await readdir(output)).sort()).toEqual(
      expect.arrayContaining(['adapter_model.safetensors', 'checkpoint-2', 'checkpoint-4']),
    )
  })
})

it('slurm.sbatch is a shell script whose options come first', async () => {
  const script = await text('slurm.sbatch')
  expect(spawnSync('bash', ['-n', join(folder, 'slurm.sbatch')]).status).toBe(0)
  const [first, ...lines] = script.split('\n')
  expect(first).toBe('#!/bin/bash')
  // sbatch reads its options up to the first command.
  const options = lines.filter((line) => line.startsWith('#SBATCH '))
  expect(lines.slice(0, options.length)).toEqual(options)
  expect(script).toContain('srun --mpi=pmix --kill-on-bad-exit=1 node ')
})

it('trainjob.yaml gives every rank what it reads', async () => {
  const documents = parseAllDocuments(await text('trainjob.yaml'))
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
  const [secret, job] = documents.map((d) => d.toJS() as unknown) as [Secret, Job]
  expect(job).toMatchObject({ apiVersion: 'trainer.kubeflow.org/v1alpha1', kind: 'TrainJob' })
  const { numProcPerNode, command, env, resourcesPerNode } = job.spec.trainer
  expect(resourcesPerNode.limits['nvidia.com/gpu']).toBe(numProcPerNode)
  expect(command.slice(0, 3)).toEqual(['torchrun', '--no-python', 'node'])
  const { name, key } = env[0].valueFrom.secretKeyRef
  expect([env[0].name, name]).toEqual(['QLORA_RENDEZVOUS_TOKEN', secret.metadata.name])
  expect(Object.keys(secret.stringData)).toEqual([key])
})

describe.skipIf(noPython)(`ray_driver.py${noPython}`, () => {
  it('gives every rank what it reads: two on one node, one on another', () => {
    const code = `
import json, sys
sys.path.insert(0, ${JSON.stringify(folder)})
from ray_driver import environment
places = [("a", "10.0.0.1"), ("a", "10.0.0.1"), ("b", "10.0.0.2")]
print(json.dumps([environment(rank, places, 23456, "secret") for rank in range(3)]))`
    const { stdout, stderr } = spawnSync(python, ['-B', '-c', code], { encoding: 'utf8' })
    expect(stderr).toBe('')
    const ranks = (JSON.parse(stdout) as Record<string, string>[]).map((env) => rankPlace(env))
    const all = { world: 3, localRank: 0, address: '10.0.0.1', port: 23456, token: 'secret' }
    expect(ranks).toEqual(
      [2, 2, 1].map((localWorld, rank) => ({ ...all, rank, localWorld, launcher: 'torchrun' })),
    )
  })
})
