import { collate } from '../data/collator'
import type { LabelledRow } from '../data/packing'
import { chunked } from '../data/sampler'
import type { BatchSize, PackedBatch } from '../models/batch'
import { batchSize, batchSizes } from './apply-memory-plan'
import type { TrainingArguments } from './arguments'
import type { PreparedStream } from './prepared-stream'
import type { RowsSeen } from './rows-fingerprint'
import { planRun, planStream } from './run-plan'
import type { TrainerState } from './state'
import { StreamBatches, type StreamPlace } from './stream-batches'
import type { TrainingTask } from './task'

/** The micro batches of a run, in order. */
export interface RunBatches {
  /** Those of an epoch from number `from` on; of a stream from `place` on. */
  batches(
    epoch: number,
    from: number,
    place: StreamPlace | undefined,
  ): Iterable<PackedBatch> | AsyncIterable<PackedBatch>
  /** Where a stream stands behind a batch. */
  placeAfter?(batch: PackedBatch): StreamPlace | undefined
}

/** What a run knows of its data before the first step. */
export interface RunData {
  seen: RowsSeen
  /** The state before the first step. */
  begin: TrainerState
  /** Micro batches in an epoch. */
  batchesPerEpoch: number
  /** Of the micro batches that memory is planned for. */
  sizes: BatchSize[]
  /** What is measured of the rows is measured now. */
  ready(signal: AbortSignal): Promise<RunBatches>
}

export async function runData(
  args: TrainingArguments,
  task: TrainingTask,
  rows: LabelledRow[] | PreparedStream,
  signal: AbortSignal,
  ranks?: number,
): Promise<RunData> {
  return Array.isArray(rows)
    ? tableData(args, task, rows, ranks)
    : streamData(args, rows, await rows.head(signal), ranks)
}

const lengthsOf = (row: LabelledRow): readonly number[] => row.seq_lengths ?? [row.input_ids.length]

/** @throws Error when the rows make no batch */
function tableData(
  args: TrainingArguments,
  task: TrainingTask,
  tokenized: LabelledRow[],
  ranks: number | undefined,
): RunData {
  const lengths = tokenized.map((row) => row.input_ids.length)
  const { begin, batchesOf, batchesPerEpoch } = planRun(args, lengths, task.owner, ranks)
  const epochs = Array.from({ length: begin.num_train_epochs }, (_, epoch) => epoch)
  const batches = epochs.flatMap(batchesOf)
  const further = task.passes ? batches.flatMap((batch) => task.passes!(batch.map((i) => tokenized[i]!))) : []
  return {
    seen: { rows: tokenized, isStream: false },
    begin,
    batchesPerEpoch,
    sizes: [...batchSizes(batches, tokenized.map(lengthsOf)), ...further],
    ready: async (signal) => {
      const rows = task.measure ? await task.measure(tokenized, 'train', signal) : tokenized
      return {
        batches: function* (epoch, from) {
          for (const indices of batchesOf(epoch).slice(from)) yield collate(indices.map((i) => rows[i]!))
        },
      }
    },
  }
}

/** Memory is planned for the batches of the first block, and for one of rows of `max_length`: no later one is larger. */
function streamData(
  args: TrainingArguments,
  stream: PreparedStream,
  head: LabelledRow[],
  ranks: number | undefined,
): RunData {
  const { per_device_train_batch_size: size } = args
  const longest = Array<number>(size).fill((args as { max_length?: number }).max_length!)
  const batches = new StreamBatches(stream, size, args.dataloader_drop_last)
  return {
    seen: { rows: head, isStream: true },
    ...planStream(args, ranks),
    sizes: [...chunked(head, size).map((rows) => batchSize(rows.flatMap(lengthsOf))), batchSize(longest)],
    ready: () =>
      Promise.resolve({
        batches: (epoch, _, place) => batches.from(epoch, place),
        placeAfter: (batch) => batches.placeAfter(batch),
      }),
  }
}
