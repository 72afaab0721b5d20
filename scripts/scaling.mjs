// A model on paper of how training scales, from bytes and bandwidths; writes docs/benchmarks/scaling.md.
// usage: node scripts/scaling.mjs [--check]     --check: writes nothing, fails when the file is not what it would write
import './setup/help.mjs'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import prettier from 'prettier'

/** Measured on one H200: a step of 2 rows of 2,048 tokens, all-linear r = 32. */
const compute = 0.264
const tokens = 2 * 2048
/** The adapter's gradients in float32. */
const gradientBytes = 83_886_080 * 4
/** 4-bit codes of the 8B's linear layers with double-quantized maxima. */
const codeBytes = 6_979_321_856 * (0.5 + 1 / 64 + 4 / (64 * 256))
/** Bytes a second of one rank, each way, and seconds for one step of a ring. NVLink is measured (2 H200s, NCCL 2.28); the others are usual. */
const links = [
  { name: 'NVLink (measured on 2 GPUs)', bandwidth: 304e9, latency: 10e-6 },
  { name: 'PCIe 4.0 x16', bandwidth: 20e9, latency: 15e-6 },
  { name: '25 Gb Ethernet', bandwidth: 2.9e9, latency: 40e-6 },
]
const devices = [2, 4, 8, 16, 32, 64]

/** Seconds of a ring's all-reduce: every rank sends and receives 2 (n - 1) / n of the bytes. */
const allReduce = (bytes, n, { bandwidth, latency }) => 2 * (n - 1) * (bytes / n / bandwidth + latency)
/** Seconds of an all-gather that gives every rank `bytes` in all. */
const allGather = (bytes, n, { bandwidth, latency }) => (n - 1) * (bytes / n / bandwidth + latency)

/** A step of replicas: the gradients are summed when all of them are there, nothing overlaps. */
const replicas = (n, link, steps = 1) => steps * compute + allReduce(gradientBytes, n, link)
/** A step of a sharded base: the codes are gathered in forward and in backward, beside the products of the layer before. */
const sharded = (n, link, steps = 1) =>
  steps * Math.max(compute, 2 * allGather(codeBytes, n, link)) + allReduce(gradientBytes, n, link)

const percent = (n, seconds, steps) => `${Math.round((100 * steps * compute) / seconds)}%`
const table = (step, steps) => [
  `| link | ${devices.join(' | ')} |`,
  `| --- |${devices.map(() => ' --: |').join('')}`,
  ...links.map(
    (link) => `| ${link.name} | ${devices.map((n) => percent(n, step(n, link, steps), steps)).join(' | ')} |`,
  ),
]
const ms = (seconds) => (seconds * 1000).toFixed(seconds < 0.01 ? 2 : 0)

const page = [
  '# How training should scale, on paper',
  '',
  'Written by `scripts/scaling.mjs`; nothing here but the figures said to be measured was run. One rank a GPU, an 8B in 4 bits, all-linear adapters of rank 32, ' +
    `${tokens} tokens a micro batch and rank: ${compute * 1000} ms on one H200 (measured). The share of N times one GPU's tokens a second that N GPUs keep:`,
  '',
  '## Replicas (what there is)',
  '',
  `The gradients, ${(gradientBytes / 1e6).toFixed(0)} MB, are summed once an update in one piece, after the last micro batch: ` +
    `2 (N - 1) / N of the bytes through each rank's link. One micro batch an update:`,
  '',
  ...table(replicas, 1),
  '',
  'Eight micro batches an update:',
  '',
  ...table(replicas, 8),
  '',
  `Summing ${(gradientBytes / 1e6).toFixed(0)} MB by this model: ` +
    links
      .map(
        (link) =>
          `${ms(allReduce(gradientBytes, 2, link))} ms on 2 and ${ms(allReduce(gradientBytes, 8, link))} ms on 8 ranks (${link.name})`,
      )
      .join(', ') +
    '. Measured on 2 H200s with NVLink: 1.16 ms for 336 MiB.',
  '',
  '## A sharded base (not built)',
  '',
  `Each rank holds 1/N of the codes, ${(codeBytes / 1e9).toFixed(2)} GB in all, and gathers those of a layer while the layer before it computes, in forward and again in backward. A step takes the longer of the two. One micro batch an update:`,
  '',
  ...table(sharded, 1),
  '',
  `Gathering all codes once by this model: ${links.map((link) => `${ms(allGather(codeBytes, 2, link))} ms on 2 ranks (${link.name})`).join(', ')}. ` +
    'Where the weights fit into one GPU, replicas are faster on every link.',
  '',
].join('\n')

const file = join(resolve(import.meta.dirname, '..'), 'docs/benchmarks/scaling.md')
const text = await prettier.format(page, { ...(await prettier.resolveConfig(file)), filepath: file })
if (!process.argv.includes('--check')) writeFileSync(file, text)
else if (readFileSync(file, 'utf8') !== text) {
  console.error(`${file} is not what scripts/scaling.mjs says: node scripts/scaling.mjs`)
  process.exitCode = 1
}
