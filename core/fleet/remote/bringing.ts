/** Uploads what a host lacks: a Node to run the engine, and items that are identified by their content. */
import { ConvergeError } from '../../model/errors.ts'
import type { Item } from './items.ts'
import type { Link } from './link.ts'
import { checkBrought, hostFacts, type Runtimes, recentEnough, runtimeFor } from './runtime.ts'
import { bringScript, nodeScript, probeScript, versionScript } from './scripts.ts'

interface BringingOptions {
  /** Directory of the engine's own files on the host. */
  readonly library: string
  /** Directory of the fleet's own files on the host. */
  readonly state: string
  readonly runtimes: Runtimes
  /** Reports an upload that takes a while, for the screen. */
  readonly step: (text: string) => void
}

export class Bringing {
  constructor(
    private readonly link: Link,
    private readonly options: BringingOptions,
  ) {}

  /**
   * Uploads the missing items.
   * @param missing `node`, and directories of items
   * @param isOver checked before each item: once true, no more items are uploaded
   * @throws HOST_UNSUPPORTED, NO_RUNTIME, ENOSPC, REMOTE_FAILED
   */
  async bring(missing: readonly string[], needs: readonly Item[], isOver = () => false): Promise<void> {
    if (missing.includes('node')) await this.node()
    for (const item of needs) if (missing.includes(item.directory) && !isOver()) await this.item(item)
  }

  private async node(): Promise<void> {
    const facts = hostFacts(await this.link.output(probeScript, [this.options.library, this.options.state]))
    if (facts.lacks.length > 0)
      throw new ConvergeError(`the host lacks ${facts.lacks.join(', ')}`, {
        code: 'HOST_UNSUPPORTED',
        hint: 'install coreutils, tar, gzip and util-linux on the host',
      })
    if (facts.node !== null && recentEnough(facts.node.version)) {
      await this.link.output(nodeScript, [this.options.library, facts.node.path])
      return
    }
    const runtime = await runtimeFor(facts, this.options.library, this.options.runtimes)
    await this.item(runtime)
    const program = `${runtime.directory}/node`
    checkBrought(await this.link.output(versionScript, [program]))
    await this.link.output(nodeScript, [this.options.library, program])
  }

  private async item({ directory, what, secret, archive }: Item): Promise<void> {
    const content = await archive()
    if (content.length > 100_000) this.options.step(`${what} (${(content.length / 1e6).toFixed(1)} MB)`)
    await this.link.output(bringScript, [directory, secret ? '077' : '022'], content)
  }
}

/** Builds the error for a host that lacks items after their upload. */
export function stillMissing(missing: readonly string[]): ConvergeError {
  return new ConvergeError(`uploaded directories are missing on the host again: ${missing.join(', ')}`, {
    code: 'REMOTE_FAILED',
    hint: 'stop what removes these directories on the host, or free space there (df -h shows where), then run again',
  })
}
