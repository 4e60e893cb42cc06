/**
 * Runs proofs of hints: a situation in which the program prints a hint, and the same situation after the hint was
 * followed.
 */
import type { Test } from 'tap'
import { asConvergeError, InvalidInput } from '../../core/model/errors.ts'
import { Sandbox } from './program.ts'

export interface Proof {
  /** The source file that contains the hint. */
  readonly source: string
  /** The hint as it is printed; `…` stands for any text that differs between runs. */
  readonly hint: string
}

/** A proof that runs the built program; `@` stands for the directory of the test. */
export interface CommandProof extends Proof {
  readonly files?: Readonly<Record<string, string>>
  readonly broken: string
  /** The command after the repair; default: the same command, with files repaired by `changed`. */
  readonly repaired?: string
  readonly changed?: Readonly<Record<string, string>>
  /** A later error or line that the repaired command must reach; default: exit status 0. */
  readonly reaches?: string
}

/** A proof that calls a function in the process of the test. */
export interface CallProof extends Proof {
  readonly broken: () => unknown
  readonly repaired: () => unknown
}

export function hintPattern(text: string): RegExp {
  const parts = text.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's')
}

/** Tests each proof: the broken command prints the hint, and the repaired one does not. */
export function proveCommands(t: Test, proofs: readonly CommandProof[]): void {
  t.jobs = 2
  for (const proof of proofs)
    t.test(`${proof.source}: ${proof.hint}`, { buffered: true }, async (t) => {
      const sandbox = new Sandbox(t)
      sandbox.write(proof.files ?? {})
      const run = async (line: string) => {
        const words = line.split(' ').map((word) => word.replaceAll('@', sandbox.directory).replaceAll('~', ' '))
        const { status, stdout, stderr } = await sandbox.converge(words, {
          bare: ['stack', 'test', 'new', 'agent', 'control'].includes(words[0] ?? ''),
        })
        return { status, stdout, stderr: stderr.replaceAll(sandbox.directory, '@') }
      }
      const pattern = hintPattern(proof.hint)
      const hintsOf = (stderr: string) => [...stderr.matchAll(/^ +hint: (.*)$/gm)].map(([, hint = '']) => hint)
      const before = await run(proof.broken)
      t.ok(
        hintsOf(before.stderr).some((hint) => pattern.test(hint)),
        'the hint is printed',
        { before },
      )
      t.not(before.status, 0)
      sandbox.write(proof.changed ?? {})
      const after = await run(proof.repaired ?? proof.broken)
      t.notOk(
        hintsOf(after.stderr).some((hint) => pattern.test(hint)),
        'it is not printed again',
        { after },
      )
      if (proof.reaches === undefined) t.equal(after.status, 0, 'the command succeeds', { after })
      else t.ok(`${after.stderr}${after.stdout}`.includes(proof.reaches), `it reaches: ${proof.reaches}`, { after })
    })
}

/** Tests each proof: the broken call throws an error with the hint, and the repaired one returns. */
export function proveCalls(t: Test, proofs: readonly CallProof[]): void {
  for (const { source, hint, broken, repaired } of proofs)
    t.test(`${source}: ${hint}`, async (t) => {
      const before = await failureOf(broken)
      const errors = before instanceof InvalidInput ? before.problems : before === null ? [] : [before]
      const pattern = hintPattern(hint)
      t.ok(
        errors.some((error) => pattern.test(error.hint ?? '')),
        'the hint is given',
        { errors },
      )
      t.equal(await failureOf(repaired), null, 'the repaired call succeeds')
    })
}

async function failureOf(call: () => unknown) {
  try {
    await call()
    return null
  } catch (thrown) {
    return asConvergeError(thrown)
  }
}
