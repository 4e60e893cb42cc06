/** Sends the stored notices in the background, and repeats failed deliveries after growing pauses, also after a restart. */
import type { DeploymentStore } from '../deployments/store.ts'
import { type DeliveryOptions, deliver } from './deliver.ts'
import { DeliveryFailure, untilAborted } from './safe_request.ts'
import type { DueDelivery, Targets } from './targets.ts'

export interface SenderOptions extends DeliveryOptions {
  readonly targets: Targets
  readonly store: Pick<DeploymentStore, 'find'>
  /** Address under which browsers reach the console. */
  readonly url: () => string
  /** Decides whether an account may still send notices about a stack. */
  readonly mayNotify: (account: string, stack: string) => boolean
  /** Called for each fault of the console itself. */
  readonly reportFault: (error: unknown) => void
}

const pollMs = 1000
const second = 1000
/** Pauses after each failed attempt; after the last one, the delivery has failed. */
export const pauses = [10, 30, 120, 600, 1800, 7200, 21_600].map((one) => one * second)
/** A notice that is older is not repeated: behind an address that answers nothing, they would become more and more. */
const lifetimeMs = 9 * 60 * 60 * second
/** Each kind of delivery has shorter limits of its own. A delivery that never ended would block its address. */
const deliveryTimeoutMs = 120 * second
const maxAtOnce = 8

export class NoticeSender {
  private timer: NodeJS.Timeout | undefined
  private isStopped = false
  /** Ids of targets. */
  private readonly busy = new Set<number>()

  constructor(private readonly options: SenderOptions) {}

  start(): void {
    const tick = () => {
      try {
        this.tick()
      } catch (error) {
        this.options.reportFault(error)
      }
      this.timer = setTimeout(tick, pollMs)
    }
    this.timer = setTimeout(tick, 0)
  }

  /** A delivery that is under way is repeated after the restart. */
  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  /** Whether no delivery is under way. */
  get isIdle(): boolean {
    return this.busy.size === 0
  }

  /** Begins what is due, without waiting for it. */
  tick(): void {
    for (const due of this.options.targets.due()) {
      if (this.busy.size >= maxAtOnce) return
      const { id } = due.target
      if (this.busy.has(id)) continue
      this.busy.add(id)
      void this.send(due)
        .catch((error) => this.options.reportFault(error))
        .finally(() => this.busy.delete(id))
    }
  }

  private async send(due: DueDelivery): Promise<void> {
    const { targets, store, now, url } = this.options
    const { delivery, target } = due
    const pause = pauses[delivery.attempts]
    if (delivery.attempts > pauses.length) {
      targets.end(delivery.id, 'failed', 'the console was killed at each attempt')
      return
    }
    if (!this.options.mayNotify(target.account, target.stack)) {
      const reason = `${target.account}, who added this notice, no longer has the level manage for ${target.stack}`
      targets.end(delivery.id, 'failed', `${reason}: remove the notice, and add it with another account`)
      return
    }
    targets.addAttempt(delivery.id, new Date(now().getTime() + (pause ?? 0)))
    const deployment = delivery.deployment === null ? null : (store.find(delivery.deployment) ?? null)
    const page = deployment === null ? `${url()}/` : `${url()}/#/deployment/${deployment.id}`
    const subject = { stack: target.stack, state: delivery.about, time: delivery.created, deployment, url: page }
    try {
      await withinLimit(deliver(due, subject, this.options))
      if (this.isStopped) return
      targets.end(delivery.id, 'delivered', null)
    } catch (thrown) {
      if (this.isStopped) return
      if (!(thrown instanceof DeliveryFailure)) {
        targets.end(delivery.id, 'failed', 'the console has a fault; its log says more')
        throw thrown
      }
      const isTooOld = now().getTime() + (pause ?? 0) > Date.parse(delivery.created) + lifetimeMs
      if (thrown.isFinal || pause === undefined || isTooOld) targets.end(delivery.id, 'failed', thrown.message)
      else targets.setFailure(delivery.id, thrown.message, thrown.remaining)
    }
  }
}

/** @throws DeliveryFailure */
async function withinLimit(delivery: Promise<void>): Promise<void> {
  const signal = AbortSignal.timeout(deliveryTimeoutMs)
  try {
    await untilAborted(delivery, signal)
  } catch (thrown) {
    if (!signal.aborted || thrown !== signal.reason) throw thrown
    throw new DeliveryFailure(`the delivery did not end within ${deliveryTimeoutMs / second} s`, false)
  }
}
