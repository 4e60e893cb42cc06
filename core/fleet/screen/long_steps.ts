/** Reports long steps where there is no table: each once, and again with what it waits for. */
import { describeStep, type HostRow } from './host_states.ts'
import { oneLine } from './text.ts'

/** Milliseconds until a step counts as long. */
export const longStepMs = 10_000

export class LongSteps {
  private readonly reported = new Set<string>()

  /** Returns a line for each step that has become long, or has waited long for the same. */
  lines(rows: readonly HostRow[], now: number): string[] {
    return rows.flatMap((row) => {
      const { host, phase, step, stepSince, detail, detailSince } = row
      if (stepSince === null || detailSince === null || now - stepSince < longStepMs) return []
      // A build changes its detail all the time; a step that waits does not.
      const waits = now - detailSince >= longStepMs
      const stepKey = JSON.stringify([host, phase, step])
      const detailKey = JSON.stringify([host, phase, step, detail])
      if (this.reported.has(waits ? detailKey : stepKey)) return []
      this.reported.add(stepKey).add(detailKey)
      return `${oneLine(host)}: ${phase}: still at ${step === '' ? 'it' : describeStep(row)}`
    })
  }
}
