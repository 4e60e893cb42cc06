/** Defines the tools with which each phase of a rollout works on hosts. */
import { Announcement } from './announcement.ts'
import type { RolloutContext } from './context.ts'
import { HealthGate } from './health_gate.ts'
import { HostRunner } from './host_runner.ts'
import { HostInspection } from './inspection.ts'
import { RestartBatches } from './restart_batches.ts'

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
