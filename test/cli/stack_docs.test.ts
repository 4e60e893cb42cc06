/** Tests that the program accepts the stack files in docs/stack.md unchanged. */
import { chmodSync, readFileSync } from 'node:fs'
import t from 'tap'
import { Sandbox } from '../support/program.ts'

const page = readFileSync(new URL('../../docs/stack.md', import.meta.url), 'utf8')
const blockAfter = (heading: string, language: string) => {
  const [, text = ''] = new RegExp(`\`\`\`${language}\\n([^]*?)\n\`\`\``).exec(page.slice(page.indexOf(heading))) ?? []
  return text
}

const pem = (what: string) => `-----BEGIN ${what}-----\nMIIB\n-----END ${what}-----\n`

t.test('accepts the complete stack file of the documentation', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'stack.yaml': blockAfter('## A complete stack file', 'yaml'),
    'common.yaml': 'plone_blobs: { blob_dir: /srv/blobs }\n',
    known_hosts: 'git.example.com ssh-ed25519 AAAA\n',
    'secrets/deploy-key': pem('OPENSSH PRIVATE KEY'),
    'secrets/shop.key': pem('PRIVATE KEY'),
    'shop.crt': pem('CERTIFICATE'),
    'chain.crt': pem('CERTIFICATE'),
    'home/.ssh/shop': pem('OPENSSH PRIVATE KEY'),
    'recipes/extra.ts': "import { role } from 'converge-engine'\nexport default role('extra', { deploy() {} })",
    'smoke.sh': '#!/bin/sh\n',
  })
  chmodSync(sandbox.at('smoke.sh'), 0o755)
  const env = { HOME: sandbox.at('home'), SHOP_TOKEN: 'open-sesame', DB_PASSWORD: 'open-sesame' }
  for (const args of [[], ['--environment', 'staging']]) {
    const { status, stdout, stderr } = await sandbox.converge(['stack', 'check', ...args], { bare: true, env })
    t.equal(status, 0, stderr)
    t.match(stdout, /^shop/)
    t.notMatch(stdout + stderr, /sesame/)
  }
})

t.test('accepts the TypeScript stack file of the documentation', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'stack.ts': blockAfter('## Stack files in TypeScript', 'ts') })
  const { status, stdout, stderr } = await sandbox.converge(['stack', 'check', '--stack', 'stack.ts'], { bare: true })
  t.equal(status, 0, stderr)
  t.equal(stderr, '')
  t.match(stdout, /^shop: 4 hosts, 2 layers, 2 apps: nothing wrong/)
})
