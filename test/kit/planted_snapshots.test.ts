/** Plants secrets in the attributes of a role and in the files of its host, and searches the snapshots for them. */
import { execute, file, type PloneNode, role, supervisor_program, template } from 'converge-engine'
import { converge, plan } from 'converge-engine/testing'
import t from 'tap'
import { PlantedSecrets } from '../support/planted_secrets.ts'
import { plantedEnvironment, plantedForeignFile } from '../support/planted_site.ts'

const planted = role<PloneNode>('planted', {
  doc: 'Writes secrets in each way that a recipe can',
  configure(r, node) {
    const environment = node.deploy.shop?.environment ?? {}
    const variables = Object.entries(environment).map(([name, value]) => ({ name, value: String(value) }))
    const lines = (line: (name: string, value: string) => string) =>
      variables.map(({ name, value }) => `${line(name, value)}\n`).join('')
    const write = (path: string, content: string) => file(r, { path, content, mode: '0600' })
    write('/etc/settings.json', JSON.stringify(environment, null, 2))
    write(
      '/etc/settings.ini',
      lines((name, value) => `${name} = ${value}`),
    )
    write(
      '/etc/settings.sh',
      lines((name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}'`),
    )
    write(
      '/etc/settings.b64',
      lines((_, value) => Buffer.from(`shop:${value}`).toString('base64')),
    )
    write(
      '/etc/settings.hex',
      lines((_, value) => Buffer.from(value).toString('hex')),
    )
    write(
      '/etc/settings.url',
      lines((name, value) => `${name}=${encodeURIComponent(value)}`),
    )
    write('/etc/foreign.conf', '# managed\n')
    template(r, {
      path: '/etc/settings.xml',
      source: '{{#each variables}}<value name="{{name}}">{{value}}</value>\n{{/each}}',
      variables: { variables },
      mode: '0600',
    })
    supervisor_program(r, { name: 'shop', command: '/bin/sleep 9', confDir: '/etc', environment: strings(variables) })
    for (const { name, value } of variables)
      execute(r, { name: `use ${name}`, command: ['use', name, `--value=${value}`], environment: { [name]: value } })
  },
})

function strings(variables: readonly { readonly name: string; readonly value: string }[]): Record<string, string> {
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]))
}

t.test('snapshots of runs and plans hide secrets', async (t) => {
  const secrets = new PlantedSecrets()
  const attributes = (app: string) => ({
    converge: { secret_names: ['LOGIN_PIN', 'UNLOCK_CODE'] },
    deploy: { shop: { environment: plantedEnvironment(secrets, app) } },
  })
  const host = {
    files: { '/etc/foreign.conf': plantedForeignFile(secrets, 'foreign.conf') },
    commands: { use: { stdout: plantedForeignFile(secrets, 'output') } },
  }
  const first = { event: 'configure', attributes: attributes('first'), host } as const
  const planned = await plan(planted, first)
  const run = await converge(planted, first)
  const again = await converge(planted, { ...first, attributes: attributes('second'), host: run.host })
  const texts = { plan: planned, run, 'run with other values': again }
  t.ok(secrets.count > 60, `${secrets.count} secrets`)
  for (const [name, result] of Object.entries(texts)) {
    t.match(result.snapshot(), '/etc/settings.json', `${name} shows the file`)
    t.strictSame(secrets.leaks(name, result.snapshot()), [])
    t.strictSame(secrets.leaks(`report of ${name}`, JSON.stringify(result.report)), [])
    t.strictSame(secrets.leaks(`notes of ${name}`, result.notes.join('\n')), [])
  }
})
