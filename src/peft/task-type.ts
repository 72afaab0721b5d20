/** PEFT's names of tasks; only CAUSAL_LM is supported. */
export const TaskType: {
  readonly SEQ_CLS: 'SEQ_CLS'
  readonly SEQ_2_SEQ_LM: 'SEQ_2_SEQ_LM'
  readonly CAUSAL_LM: 'CAUSAL_LM'
  readonly TOKEN_CLS: 'TOKEN_CLS'
  readonly QUESTION_ANS: 'QUESTION_ANS'
  readonly FEATURE_EXTRACTION: 'FEATURE_EXTRACTION'
} = {
  SEQ_CLS: 'SEQ_CLS',
  SEQ_2_SEQ_LM: 'SEQ_2_SEQ_LM',
  CAUSAL_LM: 'CAUSAL_LM',
  TOKEN_CLS: 'TOKEN_CLS',
  QUESTION_ANS: 'QUESTION_ANS',
  FEATURE_EXTRACTION: 'FEATURE_EXTRACTION',
}
