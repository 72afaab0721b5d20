import { collate } from '../data/collator'
import type { LabelledRow } from '../data/packing'
import type { PackedBatch } from '../models/batch'
import type { PreparedStream } from './prepared-stream'
import { fingerprint } from './rows-fingerprint'

/** Where a pass over a stream stands: `taken` rows of the block that begins at row `from` of the stream are in batches. */
export interface StreamPlace {
  from: number
  /** Rows as they are after tokenizing and packing. */
  taken: number
  /** Of the block. */
  fingerprint: string
}

/** The micro batches of a stream, and the place behind each of them. */
export class StreamBatches {
  private readonly places = new WeakMap<PackedBatch, StreamPlace>()

  constructor(
    private readonly stream: PreparedStream,
    private readonly size: number,
    private readonly dropLast: boolean,
  ) {}

  /**
   * The batches of a pass from a place on: what is before is read, but not tokenized.
   * @throws Error when the rows at this place are not those that were there, or the first pass makes no batch
   */
  async *from(epoch: number, place: StreamPlace | undefined): AsyncGenerator<PackedBatch> {
    let rows: LabelledRow[] = []
    let reached: StreamPlace | undefined
    let made = 0
    const batch = (): PackedBatch => {
      const collated = collate(rows)
      this.places.set(collated, { ...reached! })
      rows = []
      made++
      return collated
    }
    for await (const block of this.stream.blocks(epoch, place?.from)) {
      const print = fingerprint(block.rows)
      const isFirst = reached === undefined
      if (place && isFirst && print !== place.fingerprint) throw changed(block.from)
      const taken = place && isFirst ? place.taken : 0
      reached = { from: block.from, taken, fingerprint: print }
      for (const row of block.rows.slice(taken)) {
        rows.push(row)
        reached.taken++
        if (rows.length === this.size) yield batch()
      }
    }
    if (place && !reached) throw changed(place.from)
    if (rows.length > 0 && !this.dropLast) yield batch()
    if (made === 0 && epoch === 0 && !place)
      throw new Error(
        `[SFTTrainer] the stream's ${rows.length} rows make no batch of ${this.size}${this.dropLast ? ' with dataloader_drop_last' : ''}`,
      )
  }

  placeAfter(batch: PackedBatch): StreamPlace | undefined {
    return this.places.get(batch)
  }
}

function changed(row: number): Error {
  return new Error(
    `[SFTTrainer.train] from row ${row} on the stream does not have the rows that it had: the run cannot go on where it was. Give shuffle a seed; ` +
      'functions of map and filter must give the same each time',
  )
}
