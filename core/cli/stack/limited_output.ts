/** Keeps the output of a host up to a limit, and masks secrets in whole lines. */
import type { Output } from '../../fleet/operate/command.ts'
import type { Secrets } from '../../model/secrets.ts'

/** Maximum number of characters to keep of each output of a host. */
const longestOutput = 1 << 20
/** The number of characters before the limit in which a truncated word may be part of a secret. */
const longestWord = 4096

export interface LimitedOutput {
  readonly stdout: string
  readonly stderr: string
  readonly truncated: boolean
}

export class OutputBuffer {
  private readonly texts: Record<Output, string> = { stdout: '', stderr: '' }
  private readonly rests: Record<Output, string> = { stdout: '', stderr: '' }
  private readonly masks: Record<Output, (line: string) => string>
  private readonly truncatedOutputs = new Set<Output>()

  /** @param write receives whole lines as they arrive; null to keep them instead */
  constructor(
    private readonly secrets: Secrets,
    private readonly write: ((text: string, from: Output) => void) | null,
  ) {
    this.masks = { stdout: secrets.foreignLineMask(), stderr: secrets.foreignLineMask() }
  }

  add(text: string, from: Output): void {
    if (this.write !== null) return this.stream(text, from)
    const room = longestOutput - this.texts[from].length
    if (text.length > room) this.truncatedOutputs.add(from)
    this.texts[from] += text.slice(0, Math.max(0, room))
  }

  close(): LimitedOutput {
    for (const from of ['stdout', 'stderr'] as const) if (this.rests[from] !== '') this.pass(this.rests[from], from)
    const [stdout = '', stderr = ''] = (['stdout', 'stderr'] as const).map((from) =>
      this.secrets.maskForeign(this.truncatedOutputs.has(from) ? withoutLastWord(this.texts[from]) : this.texts[from]),
    )
    return { stdout, stderr, truncated: this.truncatedOutputs.size > 0 }
  }

  private stream(text: string, from: Output): void {
    const all = this.rests[from] + text
    // Show a line that is too long in parts.
    const end = all.length > longestOutput ? withoutLastWord(all).length : all.lastIndexOf('\n') + 1
    this.rests[from] = all.slice(end)
    if (end > 0) this.pass(all.slice(0, end), from)
  }

  private pass(text: string, from: Output): void {
    this.write?.(text.split('\n').map(this.masks[from]).join('\n'), from)
  }
}

/** Removes the last word: half of a secret would not be recognized. */
function withoutLastWord(text: string): string {
  const last = text.slice(-longestWord)
  const end = last.search(/\s\S*$/)
  return text.slice(0, text.length - last.length + Math.max(0, end))
}
