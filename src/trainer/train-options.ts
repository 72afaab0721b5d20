import { unknownNameError } from '../options/nearest'

/** What `train()` takes. */
export interface TrainOptions {
  /** Aborted, it stops the run at the next step boundary. */
  signal?: AbortSignal
  /**
   * A checkpoint's folder, or true for the last one in output_dir: the run goes on from there with the same bits. The model is
   * the one it was made with, without the adapter's weights; the data and the batch sizes are the same.
   * false: begins anew where a stopped run would go on.
   */
  resume_from_checkpoint?: boolean | string | null
}

const known: readonly (keyof TrainOptions)[] = ['signal', 'resume_from_checkpoint']

export function checkTrainOptions(options: TrainOptions): void {
  for (const name of Object.keys(options)) {
    if (!(known as readonly string[]).includes(name)) throw unknownNameError('SFTTrainer.train', name, known)
  }
}
