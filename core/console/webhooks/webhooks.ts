/** Stores webhooks, each with its stack, its sender, its branch and the deployment that it requests. */
import { randomBytes } from 'node:crypto'
import type { DeploymentRequest } from '../deployments/states.ts'
import type { Database } from '../storage/database.ts'
import type { Trigger } from './commit_event.ts'
import type { Sender } from './signature.ts'

export interface Webhook {
  /** Part of its address; not secret. */
  readonly id: string
  readonly stack: string
  readonly name: string
  /** The account that made it: the webhook ends with that account, and permits no more than it. */
  readonly account: string
  readonly sender: Sender
  readonly branch: string
  readonly trigger: Trigger
  readonly request: DeploymentRequest
  /** ISO time. */
  readonly created: string
}

type WebhookRow = Omit<Webhook, 'request'> & { readonly request: string; readonly secret: string }

const columns = 'id, stack, name, account, sender, branch, trigger, request, created'
/** Ids of deliveries are kept for a week: senders repeat a failed delivery for some days. */
const keptDeliveriesMs = 7 * 24 * 60 * 60 * 1000

export class Webhooks {
  constructor(
    private readonly database: Database,
    private readonly now: () => Date,
  ) {}

  /**
   * Stores a webhook. Its secret is stored in clear, because signatures require the secret itself.
   * @returns the id, and the secret in the form of Standard Webhooks, which is shown once
   */
  create(webhook: Omit<Webhook, 'id' | 'created'>): { readonly id: string; readonly secret: string } {
    const [id, secret] = [randomBytes(12).toString('hex'), `whsec_${randomBytes(32).toString('base64')}`]
    const { stack, name, account, sender, branch, trigger, request } = webhook
    this.database.run(
      'INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      id,
      stack,
      name,
      account,
      sender,
      secret,
      branch,
      trigger,
      JSON.stringify(request),
      this.now().toISOString(),
    )
    return { id, secret }
  }

  list(stack: string): Webhook[] {
    return this.database
      .all<WebhookRow>(`SELECT ${columns} FROM webhooks WHERE stack = ? ORDER BY created`, stack)
      .map(webhookOf)
  }

  remove(stack: string, id: string): boolean {
    return this.database.run('DELETE FROM webhooks WHERE stack = ? AND id = ?', stack, id) > 0
  }

  find(id: string): { readonly webhook: Webhook; readonly secret: string } | undefined {
    const row = this.database.one<WebhookRow>('SELECT * FROM webhooks WHERE id = ?', id)
    return row && { webhook: webhookOf(row), secret: row.secret }
  }

  /**
   * Records a delivery.
   * @returns false if it has arrived before
   */
  recordDelivery(webhook: string, delivery: string): boolean {
    const now = this.now()
    const oldest = new Date(now.getTime() - keptDeliveriesMs).toISOString()
    this.database.run('DELETE FROM deliveries WHERE time < ?', oldest)
    const sql = 'INSERT INTO deliveries VALUES (?, ?, ?) ON CONFLICT DO NOTHING'
    return this.database.run(sql, webhook, delivery.slice(0, 200), now.toISOString()) > 0
  }
}

function webhookOf({ secret, request, ...rest }: WebhookRow): Webhook {
  return { ...rest, request: JSON.parse(request) }
}
