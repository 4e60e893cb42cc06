/** Presents the failures of many hosts: the same failure is displayed once, with the names of all its hosts. */
import { describeFailure, type Paint, title } from '../../report/describe.ts'
import type { FailureReport } from '../../report/events.ts'
import { isFailure } from '../../report/replay.ts'
import type { HostReport, Phase } from '../types.ts'
import { type Addresses, groupSimilar, withoutTimes } from './group_similar.ts'
import { describeNames } from './host_name_list.ts'
import { fit, many, oneLine, widthOf } from './text.ts'

export interface HostFailure {
  readonly host: string
  readonly phase: Phase | null
  readonly failure: FailureReport
}

export interface FailureGroup {
  readonly hosts: readonly string[]
  readonly phases: readonly Phase[]
  /** As the first of the hosts reported it. */
  readonly failure: FailureReport
  /** Whether the other hosts reported it with different details. */
  readonly varies: boolean
  /** The fingerprint of each host's unknown key. The operator must compare every one of them. */
  readonly keys: readonly { readonly host: string; readonly fingerprint: string }[]
}

const unknownKey = 'HOST_KEY_UNKNOWN'
const fingerprint = /SHA256:[\w+/=]+/

/** Replaces a failure of unknown form: the host decides what it sends, and the failure must be displayed anyway. */
export function validFailure(failure: FailureReport | undefined): FailureReport | undefined {
  if (failure === undefined || isFailure(failure)) return failure
  return { code: 'NOT_READABLE', message: 'the host reported its failure in a form that cannot be read' }
}

/** Returns the failures of hosts that failed or were lost. */
export function failuresOf(hosts: readonly HostReport[]): HostFailure[] {
  return hosts.flatMap(({ host, phase, failedIn = phase, failure }) =>
    failure ? [{ host, phase: failedIn, failure }] : [],
  )
}

export function groupFailures(failures: readonly HostFailure[], addresses: Addresses = {}): FailureGroup[] {
  const comparable = failures.map((one) => {
    const { code, resource = '', problems = [] } = one.failure
    const message = code === unknownKey ? one.failure.message.replace(fingerprint, '<key>') : one.failure.message
    return { ...one, text: JSON.stringify([code, message, resource, ...problems.map((problem) => problem.message)]) }
  })
  return groupSimilar(comparable, addresses, withoutTimes).flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    return {
      hosts: [...new Set(group.map(({ host }) => host))],
      phases: [...new Set(group.flatMap(({ phase }) => phase ?? []))],
      failure: first.failure,
      varies: group.some(({ text }) => text !== first.text),
      keys: group.length === 1 ? [] : group.flatMap(keyOf),
    }
  })
}

function keyOf({ host, failure: { code, message } }: HostFailure) {
  const [found] = (code === unknownKey && fingerprint.exec(message)) || []
  return found === undefined ? [] : [{ host, fingerprint: found }]
}

/** Formats one paragraph: hosts and phases, then the failure as for one host. */
export function describeFailureGroup(group: FailureGroup, paint: Paint): string {
  const { hosts, phases, failure, varies, keys } = group
  const where = phases.length === 0 ? '' : ` in ${phases.join(', ')}`
  const count = hosts.length === 1 ? '' : paint.dim(` (${many(hosts.length, 'host')})`)
  const lines = [`${paint.red('!')} ${paint.bold(describeNames(hosts))} ${paint.red(`failed${where}`)}${count}`]
  if (failure.resource !== undefined) lines.push(`    ${title(failure.resource)}`)
  lines.push(describeFailure(failure, paint))
  if (varies) lines.push(paint.dim(`    (in the words of ${describeNames(hosts.slice(0, 1))}; each names itself)`))
  const width = Math.max(0, ...keys.map(({ host }) => widthOf(oneLine(host))))
  for (const { host, fingerprint } of keys) lines.push(`      ${fit(oneLine(host), width)}  ${fingerprint}`)
  return lines.join('\n')
}
