/** a stream of events */
import t from 'tap'
import { Client } from '../../machine/support/console.ts'
import { simulatedConsole } from '../../machine/support/simulated_console.ts'
import { runsOnNode22 } from '../../support/node22.ts'

if (await runsOnNode22(t, import.meta.url))
  t.test('a stream of events', async (t) => {
    const { running, account, admin } = await simulatedConsole(t)
    const url = () => running.address
    const maker = await account('max', 'manage')
    // Nobody confirms it, so its stream stays open.
    const { body } = await maker.send('POST', '/api/stacks/shop/deployments', {})

    /** Opens a stream, and returns what follows after its first event. */
    const rest = async (client: Client): Promise<() => Promise<string>> => {
      const response = await fetch(`${url()}/api/deployments/${body.id}/events`, { headers: client.headers({}) })
      t.equal(response.status, 200)
      const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
      t.match(new TextDecoder().decode((await reader.read()).value), /^event: state/)
      return async () => {
        let text = ''
        for (let part = await reader.read(); !part.done; part = await reader.read())
          text += new TextDecoder().decode(part.value)
        return text
      }
    }
    const tokenOf = async (name: string) =>
      (await maker.send('POST', '/api/stacks/shop/tokens', { name, level: 'show' })).body as {
        id: number
        token: string
      }

    const cases: Readonly<Record<string, () => Promise<readonly [Client, () => Promise<unknown>]>>> = {
      'its session ends': async () => {
        const client = await account('sue', 'show')
        return [client, () => client.send('DELETE', '/api/session')]
      },
      'its level is lowered': async () => [
        await account('lea', 'deploy'),
        () => admin.send('PUT', '/api/accounts/lea/levels/shop', { level: 'deny' }),
      ],
      'its account is removed': async () => [
        await account('ron', 'show'),
        () => admin.send('DELETE', '/api/accounts/ron'),
      ],
      'its token is revoked': async () => {
        const { id, token } = await tokenOf('ci')
        return [new Client(url, token), () => maker.send('DELETE', `/api/stacks/shop/tokens/${id}`)]
      },
    }
    for (const [reason, prepare] of Object.entries(cases))
      await t.test(`ends when ${reason}`, async (t) => {
        const [client, withdraw] = await prepare()
        // An event stream has no cookie of a later session.
        const reader = Object.assign(new Client(url), client)
        const following = await rest(reader)
        t.match(await withdraw(), { status: 200 })
        t.notMatch(await following(), /^event: end/m, 'the deployment has not ended')
        const again = await fetch(`${url()}/api/deployments/${body.id}/events`, { headers: reader.headers({}) })
        t.ok([401, 404].includes(again.status), `connecting again is refused: ${again.status}`)
      })

    await t.test('continues for others', async (t) => {
      const following = await rest(maker)
      t.match(await maker.send('POST', `/api/deployments/${body.id}/cancel`), { status: 200 })
      t.match(await following(), /^event: end/m)
    })
  })
