/** Uploads what a host lacks: a Node program, and packed directories that are identified by the digest of their content. */
import { ConvergeError } from '../../model/errors.ts'
import { shortLine } from '../../model/excerpt.ts'
import type { HostConnection } from './host_connection.ts'
import type { PackedDirectory } from './packed_directory.ts'
import { checkUploadedNode, findRuntime, isRecentEnough, parseHostFacts, type Runtimes } from './runtime.ts'
import { nodeScript, probeScript, uploadScript, versionScript } from './scripts.ts'

interface UploadOptions {
  /** Directory of the engine's own files on the host. */
  readonly library: string
  /** Directory of the fleet's own files on the host. */
  readonly stateDirectory: string
  readonly runtimes: Runtimes
  /** Reports an upload that takes a while, for the screen. */
  readonly step: (text: string) => void
}

export class Uploader {
  constructor(
    private readonly connection: HostConnection,
    private readonly options: UploadOptions,
  ) {}

  /**
   * Uploads the missing items.
   * @param missing `node`, and directories of items
   * @param isOver checked before each item: once true, no more items are uploaded
   * @throws HOST_UNSUPPORTED, NO_RUNTIME, ENOSPC, REMOTE_FAILED
   */
  async uploadMissing(
    missing: readonly string[],
    items: readonly PackedDirectory[],
    isOver = () => false,
  ): Promise<void> {
    if (missing.includes('node')) await this.uploadNode()
    for (const item of items) if (missing.includes(item.directory) && !isOver()) await this.uploadItem(item)
  }

  private async uploadNode(): Promise<void> {
    const facts = parseHostFacts(
      await this.connection.runForOutput(probeScript, [this.options.library, this.options.stateDirectory]),
    )
    if (facts.lacks.length > 0)
      throw new ConvergeError(`the host lacks ${facts.lacks.join(', ')}`, {
        code: 'HOST_UNSUPPORTED',
        hint: 'install coreutils, tar, gzip and util-linux on the host',
      })
    if (facts.node !== null && isRecentEnough(facts.node.version)) {
      await this.connection.runForOutput(nodeScript, [this.options.library, facts.node.path])
      return
    }
    const runtime = await findRuntime(facts, this.options.library, this.options.runtimes)
    await this.uploadItem(runtime)
    const program = `${runtime.directory}/node`
    checkUploadedNode(await this.connection.runForOutput(versionScript, [program]))
    await this.connection.runForOutput(nodeScript, [this.options.library, program])
  }

  private async uploadItem({ directory, what, secret, archive }: PackedDirectory): Promise<void> {
    const content = await archive()
    if (content.length > 100_000) this.options.step(`${what} (${(content.length / 1e6).toFixed(1)} MB)`)
    await this.connection.runForOutput(uploadScript, [directory, secret ? '077' : '022'], content)
  }
}

/** Builds the error for a host that lacks items after their upload. */
export function uploadsDisappeared(missing: readonly string[]): ConvergeError {
  return new ConvergeError(
    `uploaded directories are missing on the host again: ${shortLine(missing.slice(0, 10).join(', '))}`,
    {
      code: 'REMOTE_FAILED',
      hint: 'stop what removes these directories on the host, or free space there (df -h shows where), then run again',
    },
  )
}
