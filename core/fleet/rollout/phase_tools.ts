/** Defines the tools with which each phase of a rollout works on hosts. */
import { Announcement } from './announcement.ts'
import { HealthGate } from './hosts/health_gate.ts'
import { HostRunner } from './hosts/host_runner.ts'
import { HostInspection } from './hosts/inspection.ts'
import { RestartBatches } from './hosts/restart_batches.ts'
import type { RolloutContext } from './state/context.ts'

export interface PhaseTools {
  readonly runner: HostRunner
  readonly inspection: HostInspection
  readonly gate: HealthGate
  readonly restarts: RestartBatches
  readonly announcement: Announcement
}

export function createPhaseTools(context: RolloutContext): PhaseTools {
  const runner = new HostRunner(context)
  const gate = new HealthGate(context)
  return {
    runner,
    gate,
    inspection: new HostInspection(context, runner),
    restarts: new RestartBatches(context, runner, gate),
    announcement: new Announcement(context),
  }
}
