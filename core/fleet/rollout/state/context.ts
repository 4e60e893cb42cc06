/** Defines what the parts of one rollout share: its request, what it uses from outside, and its state so far. */
import { RolloutAbort } from './abort.ts'
import { DeployCommits } from './deploy_commits.ts'
import { OnlineHosts } from './online_hosts.ts'
import { PauseGate } from './pause.ts'
import { isolateFailures, monotonicClock, type RolloutPorts } from './ports.ts'
import { RolloutProgress } from './progress.ts'
import { hostNames, type RolloutHost, type RolloutRequest } from './request.ts'

export interface RolloutContext {
  readonly request: RolloutRequest
  readonly ports: RolloutPorts
  readonly progress: RolloutProgress
  readonly abort: RolloutAbort
  readonly pause: PauseGate
  readonly commits: DeployCommits
  readonly onlineHosts: OnlineHosts
  /** Hosts that take part. */
  readonly participants: readonly RolloutHost[]
  /** Online hosts that do not take part. */
  readonly bystanders: readonly RolloutHost[]
  /** Names of the bystanders that could not be reached; filled when the rollout connects. */
  readonly unreachable: Set<string>
}

export function createContext(request: RolloutRequest, outerPorts: RolloutPorts): RolloutContext {
  const { hosts, selected, recorded } = outerPorts
  const ports = isolateFailures({ ...outerPorts, clock: monotonicClock(outerPorts.clock) }, (message) =>
    progress.warnings.push(message),
  )
  const participants = hosts.filter(({ name }) => selected.has(name))
  const bystanders = hosts.filter(({ name }) => !selected.has(name) && recorded.online.has(name))
  const progress = new RolloutProgress(hostNames(participants), ports.emit, ports.clock)
  return {
    request,
    ports,
    progress,
    abort: new RolloutAbort(request, progress, participants, ports.interruption),
    pause: new PauseGate(ports.paused, ports.emit),
    commits: new DeployCommits(request, recorded.apps, bystanders, progress, ports.emit),
    onlineHosts: new OnlineHosts(request.action, recorded.online, participants, progress, hosts),
    participants,
    bystanders,
    unreachable: new Set(),
  }
}

/** Returns the participants that are connected and have not failed. */
export function usableHosts({ participants, progress }: RolloutContext): RolloutHost[] {
  return participants.filter(({ name }) => progress.isUsable(name))
}

/** Returns the bystanders that are connected. */
export function reachableBystanders({ bystanders, unreachable }: RolloutContext): RolloutHost[] {
  return bystanders.filter(({ name }) => !unreachable.has(name))
}

/** Returns the hosts that were skipped because the rollout could not connect to them. */
export function absentHosts({ participants, progress, unreachable }: RolloutContext): string[] {
  const skipped = participants.filter(({ name }) => {
    const { outcome, isConnected } = progress.get(name)
    return outcome === 'skipped' && !isConnected
  })
  return [...hostNames(skipped), ...unreachable]
}
