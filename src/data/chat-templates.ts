import { logger } from '../logging'
import { unknownNameError } from '../options/nearest'
import {
  type AssistantSpans,
  type ChatMessage,
  type ChatTemplateSource,
  renderAssistantSpans,
  renderConversation,
} from './chat-template'
import { type RenderLimits } from './jinja/limits'
import { SpecialTokens } from './special-tokens'
import { type ChatTemplateOptions } from './tokenizer-options'

/** Files in a tokenizer's folder: its chat template, and the folder of further named ones. */
export const CHAT_TEMPLATE = 'chat_template.jinja'
export const CHAT_TEMPLATE_FOLDER = 'additional_chat_templates'

/** The options of `apply_chat_template` itself; all other names are variables of the template. */
const ownOptions = [
  'tokenize',
  'add_generation_prompt',
  'chat_template',
  'tools',
  'documents',
  'return_dict',
  'chat_template_kwargs',
]

/** The chat templates of a tokenizer, and rendering with them; a base of `PreTrainedTokenizer`. */
export class ChatTemplates extends SpecialTokens {
  readonly name_or_path: string = ''
  /** Jinja template of `apply_chat_template`, or several by name (`default`, `tool_use`, ...), or null. */
  chat_template: string | Record<string, string> | null = null
  /** Limits of one rendering, since templates come from downloaded files. */
  chat_template_limits: RenderLimits = {}

  /**
   * The template for a conversation: the given one (a template, or the name of one), else `tool_use` if there
   * are tools, else `default`. Throws when there is none, listing the existing ones.
   */
  get_chat_template(chat_template?: string | null, tools?: readonly unknown[] | null): string {
    const own = this.chat_template
    if (chat_template != null) {
      const isName = typeof own === 'object' && own !== null && Object.hasOwn(own, chat_template)
      return isName ? (own[chat_template] ?? chat_template) : chat_template
    }
    if (own === null) {
      throw new Error(
        `[apply_chat_template] the tokenizer of '${this.name_or_path}' has no chat template: set tokenizer.chat_template ` +
          'or give { chat_template }',
      )
    }
    if (typeof own === 'string') return own
    const chosen = (tools != null ? own['tool_use'] : undefined) ?? own['default']
    if (chosen !== undefined) return chosen
    throw new Error(
      `[apply_chat_template] the tokenizer of '${this.name_or_path}' has several chat templates and none is named ` +
        `'default': give { chat_template } one of ${Object.keys(own).sort().join(', ')}`,
    )
  }

  /** The rendered conversation and the ranges of the assistant's text; see `renderAssistantSpans`. */
  assistant_spans(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): AssistantSpans {
    const { template, variables } = this.rendering(options)
    return renderAssistantSpans(template, messages, variables)
  }

  /** The rendered conversation. */
  protected render(messages: readonly ChatMessage[], options: ChatTemplateOptions): string {
    if (messages.length === 0) throw new Error('[apply_chat_template] the conversation is empty')
    const { template, variables } = this.rendering(options)
    return renderConversation(template, messages, variables).text
  }

  private rendering({
    chat_template,
    chat_template_kwargs,
    tokenize: _tokenize,
    return_dict: _return_dict,
    ...given
  }: ChatTemplateOptions): { template: ChatTemplateSource; variables: Record<string, unknown> } {
    const kwargs = chat_template_kwargs ?? {}
    const { tools = null, documents = null, add_generation_prompt = false, ...extra } = given
    const chosen = (kwargs['chat_template'] as string | undefined) ?? chat_template
    const source = this.get_chat_template(chosen, tools)
    const mentions = (name: string): boolean =>
      new RegExp(`\\b${name.replace(/\W/g, '\\$&')}\\b`).test(source)
    const unknown = Object.keys(extra).find((name) => !mentions(name))
    if (unknown !== undefined) throw unknownNameError('apply_chat_template', unknown, ownOptions)
    const unused = Object.keys(kwargs).find((name) => !ownOptions.includes(name) && !mentions(name))
    if (unused !== undefined)
      logger.warning_once(
        `[apply_chat_template] chat_template_kwargs: the template of '${this.name_or_path}' does not mention '${unused}'`,
      )
    return {
      template: { source, name: this.name_or_path, limits: this.chat_template_limits },
      variables: { ...this.special_tokens_map, tools, documents, add_generation_prompt, ...extra, ...kwargs },
    }
  }
}
