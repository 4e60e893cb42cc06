/** Reads the records of the deployments of a stack: reports and host logs. */
import { dirname } from 'node:path'
import * as z from 'zod'
import { isVisible, lockHolder } from '../../host/lock.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { HostReport, RolloutPause } from '../types.ts'
import { readPause } from './pause.ts'
import {
  type Deployment,
  type DeploymentStart,
  deploymentIds,
  logFileName,
  parseLogLine,
  startReport,
} from './recorder.ts'
import { readFileOrNull } from './state_files.ts'

const release = z.looseObject({
  release: z.string().nullable(),
  commit: z.string().nullable(),
  subject: z.string().optional(),
})

/** The fields that are displayed; fields that a later version adds are ignored. */
const schema = z.looseObject({
  started: z.string(),
  outcome: z.string(),
  commits: z.record(z.string(), z.string()),
  warnings: z.array(z.string()),
  hostWarnings: z.array(z.looseObject({ message: z.string(), hosts: z.array(z.string()) })).optional(),
  hosts: z.array(
    z.looseObject({
      host: z.string(),
      outcome: z.string(),
      durationMs: z.number(),
      live: z.array(z.looseObject({ app: z.string() })),
      phases: z.record(z.string(), z.number()).optional(),
      moves: z.array(z.looseObject({ app: z.string(), from: release.nullable(), to: release })).optional(),
    }),
  ),
})

/**
 * Lists the recorded deployments, newest first; a damaged record is among them.
 * @param limit default: all
 */
export function listDeployments(directory: string, limit = Number.POSITIVE_INFINITY): Deployment[] {
  const top = `${directory}/deployments`
  return deploymentIds(top)
    .reverse()
    .slice(0, limit)
    .map((id) => readRecord(top, id))
}

/** Newest records that are searched for running rollouts. */
const searchedRecords = 30

/**
 * Lists the running deployments that this computer can see, oldest first. Only the hosts know whether a deployment of
 * an operator on another computer still runs.
 * @param requested only the deployment with this number; default: the newest ones
 */
export function runningDeployments(directory: string, requested?: string): Deployment[] {
  const top = `${directory}/deployments`
  const ids = deploymentIds(top)
  const searched =
    requested === undefined ? ids.slice(-searchedRecords) : ids.filter((id) => Number(id) === Number(requested))
  return searched
    .filter((id) => {
      const holder = lockHolder(`${top}/${id}/lock`)
      return holder !== null && isVisible(holder)
    })
    .map((id) => readRecord(top, id))
    .filter(({ outcome }) => outcome === 'under way')
}

/** Actions that decide which release a host has. */
const switchingActions: readonly string[] = ['setup', 'deploy', 'rollback', 'undeploy']

/**
 * Finds the latest deployment that was killed or interrupted before it was complete, with the hosts that no later
 * deployment completed; null if there is none. These hosts may have different releases.
 * @param known names of the hosts of the stack: others have been removed from it
 */
export function unfinishedDeployment(
  directory: string,
  known: ReadonlySet<string>,
): { readonly deployment: Deployment; readonly hosts: readonly string[] } | null {
  const completed = new Set<string>()
  for (const deployment of listDeployments(directory, searchedRecords)) {
    const { outcome, action, hosts } = deployment
    if (!switchingActions.includes(action)) continue
    const names = hosts.map(({ host }) => host)
    const missing = names.filter((name) => known.has(name) && !completed.has(name))
    if ((outcome === 'died' || outcome === 'interrupted') && missing.length > 0) return { deployment, hosts: missing }
    if (outcome === 'changed' || outcome === 'unchanged') for (const name of names) completed.add(name)
  }
  return null
}

/**
 * @param requested the number, with or without leading zeros, or `last`
 * @throws NO_SUCH_DEPLOYMENT
 */
export function readDeployment(directory: string, requested: string): Deployment {
  const top = `${directory}/deployments`
  return readRecord(top, findId(top, requested))
}

/**
 * Reads the log of a host: its lines, parsed. A last line that a crash left incomplete is dropped. Null without a log.
 * @throws NO_SUCH_DEPLOYMENT
 */
export function readLog(directory: string, requested: string, host: string): object[] | null {
  const top = `${directory}/deployments`
  return readLogLines(`${top}/${findId(top, requested)}`, host)
}

function readLogLines(record: string, host: string): object[] | null {
  const text = readFileOrNull(`${record}/${logFileName(host)}`)
  if (text === null) return null
  const lines = text.split('\n')
  const last = lines.pop() ?? ''
  return [...lines.map(parseLogLine), ...(isJson(last) ? [parseLogLine(last)] : [])]
}

function isJson(text: string): boolean {
  return text.startsWith('{') && !('text' in parseLogLine(text))
}

function findId(top: string, requested: string): string {
  const all = deploymentIds(top)
  const found =
    requested === 'last' ? all.at(-1) : all.find((id) => /^\d+$/.test(requested) && Number(id) === Number(requested))
  if (found !== undefined) return found
  const available = all.length === 0 ? 'there is none yet' : `there are ${Number(all[0])} to ${Number(all.at(-1))}`
  throw new ConvergeError(`no deployment ${requested}: ${available}`, {
    code: 'NO_SUCH_DEPLOYMENT',
    hint: 'converge stack deployments lists them; the last 100 are kept',
    usage: true,
  })
}

function readRecord(top: string, id: string): Deployment {
  const record = `${top}/${id}`
  const report = readReport(`${record}/report.json`)
  if (report === null) return { ...startReport(id, unreadableStart), outcome: 'not readable' }
  if (report.outcome !== 'died') return { ...report, id }
  const outcome = lockHolder(`${record}/lock`) === null ? 'died' : 'under way'
  const paused = outcome === 'under way' ? pauseOf(top, id) : null
  const hosts = report.hosts.map((host) => progressFromLog(record, host))
  return { ...report, id, outcome, hosts, ...(paused === null ? {} : { pausedBy: paused.by }) }
}

function pauseOf(top: string, id: string): RolloutPause | null {
  try {
    return readPause(dirname(top), id)
  } catch {
    // It only completes the description.
    return null
  }
}

/** Null where the report cannot be read for any reason: one damaged record must not hide all the others. */
function readReport(path: string): Deployment | null {
  try {
    const value: unknown = JSON.parse(readFileOrNull(path) ?? '')
    return schema.safeParse(value).success ? (value as Deployment) : null
  } catch {
    return null
  }
}

const unreadableStart: DeploymentStart = {
  stack: '',
  action: 'status',
  comment: '',
  by: '',
  started: '',
  strategy: '',
  commits: {},
  hosts: [],
}

/** Derives from the log how far a host came, for a record without an outcome. */
function progressFromLog(record: string, report: HostReport): HostReport {
  const lines = (readableLines(record, report.host) ?? []) as { event?: string; phase?: HostReport['phase'] }[]
  const last = lines.findLast(({ event }) => event === 'done' || event === 'host')
  if (last === undefined) return report
  const phase = last.phase ?? null
  if (last.event === 'host') return { ...report, outcome: 'lost', phase }
  const { outcome, durationMs, failure, reason } = last as unknown as HostReport
  return { ...report, outcome, phase, durationMs, failure, reason }
}

function readableLines(record: string, host: string): object[] | null {
  try {
    return readLogLines(record, host)
  } catch {
    // Without a log, the progress of the host is unknown.
    return null
  }
}
