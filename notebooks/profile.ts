import { AutoConfig, cuda } from 'qlora'

/** 'article' where the article's model can be trained; else 'pocket', and why. */
export async function choose_profile(): Promise<{ profile: 'article' | 'pocket'; reason: string | undefined }> {
  const reason = await obstacle()
  return { profile: reason === undefined ? 'article' : 'pocket', reason }
}

async function obstacle(): Promise<string | undefined> {
  if (!cuda.is_available()) return 'no CUDA device can be used by this build of qlora'
  const [, total] = cuda.mem_get_info()
  if (total < 8e9) return `the GPU has ${(total / 1e9).toFixed(1)} GB, less than 8 GB`
  try {
    await AutoConfig.from_pretrained('nvidia/Llama3-ChatQA-1.5-8B')
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
