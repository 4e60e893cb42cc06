/** Tests which deliveries of webhooks are accepted, and which commit they are about. */
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { commitEvent } from '../../../core/console/webhooks/commit_event.ts'
import { checkSignature, type Sender } from '../../../core/console/webhooks/signature.ts'

const now = new Date('2026-11-30T12:00:00Z')

const check = (sender: Sender, secret: string, headers: Readonly<Record<string, string>>, body: string, at = now) =>
  checkSignature(sender, secret, { header: (name) => headers[name], body: Buffer.from(body), now: at })

t.test('checks signatures of GitHub, with the example of its documentation', async (t) => {
  const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
  const headers = { 'x-hub-signature-256': signature, 'x-github-delivery': 'one' }
  const secret = "It's a Secret to Everybody"
  t.strictSame(check('github', secret, headers, 'Hello, World!'), { id: 'one' })
  t.type(check('github', secret, headers, 'Hello, World'), 'string')
  t.type(check('github', 'other', headers, 'Hello, World!'), 'string')
  t.type(check('github', secret, { ...headers, 'x-hub-signature-256': '' }, 'Hello, World!'), 'string')
  t.type(check('github', secret, { 'x-github-delivery': 'one' }, 'Hello, World!'), 'string')
})

t.test('checks signatures of Standard Webhooks, with the example of the specification', async (t) => {
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  }
  const [secret, body] = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', '{"test": 2432232314}']
  const then = new Date(1614265330 * 1000)
  for (const sender of ['generic', 'gitlab'] as const)
    t.strictSame(check(sender, secret, headers, body, then), { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek' })
  t.match(check('generic', secret, headers, body), /older than five minutes/)
  t.match(check('generic', secret, headers, body, new Date(then.getTime() - 301_000)), /in the future/)
  t.match(check('generic', secret, { ...headers, 'webhook-id': 'other' }, body, then), /signature/)
  const rotated = { ...headers, 'webhook-signature': `v1,b3RoZXI= ${headers['webhook-signature']}` }
  t.strictSame(check('generic', secret, rotated, body, then), { id: headers['webhook-id'] })
  t.match(check('generic', secret, {}, body), /missing/)
})

t.test('checks the token of older versions of GitLab', async (t) => {
  const headers = { 'x-gitlab-token': 'secret', 'x-gitlab-event-uuid': 'one' }
  t.strictSame(check('gitlab', 'secret', headers, '{}'), { id: 'one' })
  t.type(check('gitlab', 'other', headers, '{}'), 'string')
  t.type(check('gitlab', 'secret', { 'x-gitlab-token': 'secret' }, '{}'), 'string')
  t.type(check('generic', 'secret', headers, '{}'), 'string', 'a token is no signature for another sender')
})

t.test('no other body has the same signature', async () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), fc.string(), (signed, sent, secret) => {
      const header = (name: string) =>
        name === 'x-github-delivery' ? 'one' : `sha256=${createHmac('sha256', secret).update(signed).digest('hex')}`
      const isSame = Buffer.compare(signed, sent) === 0
      return (typeof checkSignature('github', secret, { header, body: sent, now }) === 'object') === isSame
    }),
  )
})

const commit = '0123456789012345678901234567890123456789'
const event = (sender: Sender, name: string, body: unknown) =>
  commitEvent(sender, (header) => (header === `x-${sender}-event` ? name : undefined), body)

t.test('reads the commits of branches', async (t) => {
  const push = { trigger: 'push', branch: 'main', commit }
  const checks = { trigger: 'checks', branch: 'main', commit }
  t.strictSame(event('github', 'push', { ref: 'refs/heads/main', after: commit }), push)
  t.strictSame(event('github', 'push', { ref: 'refs/tags/v1', after: commit }), null)
  t.strictSame(event('github', 'push', { ref: 'refs/heads/main', after: commit, deleted: true }), null)
  t.strictSame(event('github', 'ping', { zen: 'x' }), null)
  const suite = (conclusion: string | null, action = 'completed') => ({
    action,
    check_suite: { head_branch: 'main', head_sha: commit, conclusion },
  })
  t.strictSame(event('github', 'check_suite', suite('success')), checks)
  for (const other of ['failure', 'neutral', 'cancelled', null])
    t.strictSame(event('github', 'check_suite', suite(other)), null, `${other}`)
  t.strictSame(event('github', 'check_suite', suite('success', 'requested')), null)

  t.strictSame(event('gitlab', 'Push Hook', { ref: 'refs/heads/main', checkout_sha: commit }), push)
  t.strictSame(event('gitlab', 'Push Hook', { ref: 'refs/heads/main', checkout_sha: null }), null, 'a removed branch')
  t.strictSame(event('gitlab', 'Tag Push Hook', { ref: 'refs/tags/v1', checkout_sha: commit }), null)
  const pipeline = (status: string, tag = false) => ({ object_attributes: { ref: 'main', sha: commit, status, tag } })
  t.strictSame(event('gitlab', 'Pipeline Hook', pipeline('success')), checks)
  for (const other of ['failed', 'running', 'canceled'])
    t.strictSame(event('gitlab', 'Pipeline Hook', pipeline(other)), null, other)
  t.strictSame(event('gitlab', 'Pipeline Hook', pipeline('success', true)), null)

  t.strictSame(event('generic', '', { branch: 'refs/heads/main', commit }), push)
  t.strictSame(event('generic', '', { branch: 'main', commit, checks: true }), checks)
  for (const wrong of [null, [], 'main', { branch: 'main' }, { branch: 'main', commit: '--upload-pack=x' }])
    t.strictSame(event('generic', '', wrong), null, JSON.stringify(wrong))
})
