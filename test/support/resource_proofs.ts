/** Proves hints of resources by runs on an in-memory host. */
import type { Test } from 'tap'
import type { Finding, HostCheck } from '../../core/compile/inspection.ts'
import type { Recipe } from '../../core/compile/role.ts'
import { type CommandHandler, VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import type { RunReport } from '../../core/report/events.ts'
import { planOf, run } from './contract.ts'
import { hintPattern, type Proof } from './proofs.ts'

export type Declare = (r: Recipe<unknown>) => void

export interface ResourceProof extends Proof {
  readonly given?: (host: VirtualHost) => unknown
  readonly commands?: CommandHandler
  readonly host?: VirtualOptions
  /**
   * The account that runs converge on the repaired host, if it is another one; this host is set up from the beginning.
   */
  readonly repairedHost?: VirtualOptions
  readonly broken: Declare
  /** Whether the hint is in a warning of a run that succeeds. */
  readonly warning?: boolean
  /** Whether the hint is followed by one from another source file. */
  readonly part?: boolean
  /** Follows the hint on the host. */
  readonly repair?: (host: VirtualHost) => unknown
  /** Declares what the hint recommends; default: the same as before. */
  readonly repaired?: Declare
}

/** Tests each proof: the run of the broken recipe reports the hint, and that of the repaired one does not. */
export function proveResources(t: Test, proofs: readonly ResourceProof[]): void {
  for (const proof of proofs)
    t.test(`${proof.source}: ${proof.hint}`, async (t) => {
      const host = hostOf(proof, proof.host)
      const pattern = hintPattern(proof.warning ? `…${proof.hint}…` : proof.part ? `${proof.hint}; …` : proof.hint)
      const isGiven = ({ resources, warnings }: RunReport) =>
        (proof.warning ? warnings : resources.map(({ failure }) => failure?.hint ?? '')).some((text) =>
          pattern.test(text),
        )
      const before = await run(planOf(proof.broken), host)
      t.ok(isGiven(before), 'the hint is given', { before })
      proof.repair?.(host)
      host.forgetAnswers()
      const repaired = proof.repairedHost === undefined ? host : hostOf(proof, proof.repairedHost)
      const after = await run(planOf(proof.repaired ?? proof.broken), repaired)
      t.equal(after.resources.find(({ outcome }) => outcome === 'failed')?.failure, undefined, 'the run succeeds')
      t.notOk(isGiven(after), 'the hint is not given again', { warnings: after.warnings })
    })
}

function hostOf({ commands, given }: ResourceProof, options: VirtualOptions = {}): VirtualHost {
  const host = new VirtualHost({ ...options, commands })
  host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n')
  host.given('/etc/group', 'root:x:0:\ndeploy:x:1000:\n')
  host.given('/srv', null)
  given?.(host)
  return host
}

/** Fakes of the commands that add accounts and groups, and of `make`, which creates /srv/made. */
export const commands: CommandHandler = (argv, _, host) => {
  const [program = '', ...words] = argv
  const line = (path: string, text: string) => host.given(path, `${host.readText(path)}${text}\n`)
  if (/useradd$/.test(program)) line('/etc/passwd', `${words.at(-1)}:x:1001:1001::/home/web:/bin/sh`)
  if (/(user|group)add$/.test(program) && !words.includes('--gid') && host.groupNamed('web') === null)
    line('/etc/group', `${words.at(-1)}:x:1001:`)
  if (program === 'usermod') {
    const [, , name = '', member = ''] = words
    const groups = host.readText('/etc/group') ?? ''
    host.given(
      '/etc/group',
      groups.replace(new RegExp(`^${name}:.*$`, 'm'), (found) => `${found}${member}`),
    )
  }
  if (argv.join(' ').includes('make')) host.given('/srv/made', 'x')
  return { status: 0, stdout: '', stderr: '' }
}

/** Returns the finding of one of several checks. */
export async function findingOf(checks: readonly HostCheck[], what: string): Promise<Finding | null> {
  const check = checks.find((one) => one.what === what)
  if (check === undefined) throw new Error(`no check of ${what}: ${checks.map((one) => one.what).join(', ')}`)
  return check.run()
}

/** A proof of a finding of `converge doctor`, whose remedy is the hint. */
export interface FindingProof extends Proof {
  readonly broken: () => Finding | null | Promise<Finding | null>
  readonly repaired: () => Finding | null | Promise<Finding | null>
}

/** Tests each proof: the check has a finding with the hint as its remedy, and none after the repair. */
export function proveFindings(t: Test, proofs: readonly FindingProof[]): void {
  for (const { source, hint, broken, repaired } of proofs)
    t.test(`${source}: ${hint}`, async (t) => {
      const before = await broken()
      t.match(before?.remedy, hintPattern(hint), 'the remedy is given', { before })
      const after = await repaired()
      t.equal(after?.status ?? 'ok', 'ok', 'the repaired host has no finding', { after })
    })
}
