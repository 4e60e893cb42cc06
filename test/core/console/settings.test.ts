/** Tests the settings file of the console, with the examples of docs/console.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { permissionsOf } from '../../../core/console/access/provider_accounts.ts'
import { readSettings } from '../../../core/console/settings.ts'
import { scratch } from '../../support/machine.ts'

const page = readFileSync(new URL('../../../docs/console.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => text)

t.test('accepts the examples of the documentation', async (t) => {
  const directory = scratch(t)
  const path = `${directory}/console.yaml`
  t.equal(examples.length, 3)
  for (const name of ['oidc', 'mail']) writeFileSync(`${directory}/${name}.secret`, `secret of ${name}\n`)
  writeFileSync(path, examples.join(''))
  const { oidc, mail, permittedAddresses, localAccounts } = readSettings(path, {})
  t.match(oidc, { client_id: 'converge', clientSecret: 'secret of oidc', account_claim: 'preferred_username' })
  t.match(mail, { host: 'smtp.example.com', tls: 'starttls', password: 'secret of mail' })
  t.equal(permittedAddresses.check('169.254.10.7'), true)
  t.equal(permittedAddresses.check('169.254.169.254'), false)
  t.equal(localAccounts, true)
})

t.test('maps groups of the provider to levels, by the examples of the documentation', async (t) => {
  const directory = scratch(t)
  for (const name of ['oidc', 'mail']) writeFileSync(`${directory}/${name}.secret`, 'secret\n')
  writeFileSync(`${directory}/console.yaml`, examples.join(''))
  const { oidc } = readSettings(`${directory}/console.yaml`, {})
  if (oidc === null) throw new Error('the examples have no provider')
  t.strictSame(permissionsOf(['support', 'developers'], oidc), {
    isAdmin: false,
    levels: { shop: 'deploy', blog: 'deploy' },
  })
  t.strictSame(permissionsOf(['Ops', 'toString'], oidc), { isAdmin: false, levels: {} })
  t.strictSame(permissionsOf(['ops'], oidc), { isAdmin: true, levels: {} })
})

t.test('refuses invalid settings', async (t) => {
  const path = `${scratch(t)}/console.yaml`
  const oidc = 'issuer: https://id.example.com, client_id: x'
  for (const [text, message] of [
    ['oidc: {', /Flow map|flow/i],
    ['colour: red', /colour|Unrecognized key/],
    [
      'oidc: { issuer: http://id.example.com, client_id: x, client_secret: { environment: A } }',
      /oidc\.issuer: expected an address with https/,
    ],
    [`oidc: { ${oidc}, client_secret: { file: a, environment: A } }`, /either "file" or "environment"/],
    [
      `oidc: { ${oidc}, client_secret: { environment: A }, levels: { dev: { shop: root } } }`,
      /oidc\.levels\.dev\.shop/,
    ],
    [`oidc: { ${oidc}, client_secret: { file: missing } }`, /ENOENT/],
    ['notices: { permitted_addresses: [everywhere] }', /expected an address or a network/],
    ['notices: { permitted_addresses: [10.0.0.0/99] }', /expected an address or a network/],
  ] as const) {
    writeFileSync(path, text)
    t.throws(() => readSettings(path, { A: 'secret' }), { code: 'CONSOLE_SETTINGS', message }, text)
  }
})
