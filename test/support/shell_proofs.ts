/**
 * Proves hints for failures of other programs: the real program fails, the hint is followed, and the program succeeds.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { knownFailure } from '../../core/model/known_failures.ts'
import { type Need, needs, scratch } from './machine.ts'
import { hintPattern, type Proof } from './proofs.ts'

/** Lines of bash that run in order in a directory of the test. */
export interface ShellProof extends Proof {
  readonly needs?: readonly Need[]
  /** Whether to run in a mount namespace where /etc is a copy. */
  readonly alone?: boolean
  readonly given?: string
  readonly fails: string
  /** The lines that follow the hint. */
  readonly repair: string
  /** The lines that succeed afterwards; default: the same as `fails`. */
  readonly succeeds?: string
}

const script = `
cd "$1"
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
eval "$given"
(eval "$fails") >before 2>&1
echo $? >status
eval "$repair"
(eval "$succeeds") >after 2>&1
`

const copyOfEtc = 'mount -t tmpfs none /mnt && cp -a /etc /mnt/etc && mount --bind /mnt/etc /etc && exec "$0" "$@"'

export function proveShell(t: Test, proofs: readonly ShellProof[]): void {
  for (const { source, hint, needs: expected = [], alone, given = '', fails, repair, succeeds = fails } of proofs)
    t.test(`${source}: ${hint}`, async (t) => {
      if (!needs(t, ['bash', ...expected, ...(alone ? (['root', 'overlay'] as const) : [])])) return
      const directory = scratch(t)
      const own = alone ? ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', copyOfEtc] : []
      const [program = '', ...args] = [...own, 'bash', '-c', script, 'proof', directory]
      const { status } = spawnSync(program, args, {
        env: {
          PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
          HOME: directory,
          LC_ALL: 'C.UTF-8',
          given,
          fails,
          repair,
          succeeds,
        },
        stdio: 'ignore',
        timeout: 60_000,
      })
      const read = (name: string) => readFileSync(join(directory, name), 'utf8')
      const before = read('before')
      const failure = knownFailure({ output: before, status: Number(read('status')) })
      t.match(failure?.hint ?? '', hintPattern(hint), 'the hint is given', { before })
      t.equal(status, 0, 'followed, it succeeds', { after: read('after') })
    })
}
