/** Tests what a run says if a file, a pipe or a socket has the place of a directory of its state. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { Sandbox } from '../../support/program.ts'

const recipe = `import { execute, file, placed, role } from 'converge-engine'
export default role('odd', {
  configure(r, node) {
    const changed = file(r, { path: placed(node, '/etc/odd.conf'), content: String(node.text) })
    execute(r, { name: 'act', command: ['true'], when: [changed], contained: true })
  },
})
`
const kinds: Readonly<Record<string, (path: string) => void>> = {
  'a named pipe': (path) => void execFileSync('mkfifo', [path]),
  'a file': (path) => writeFileSync(path, ''),
  'a socket': (path) =>
    void execFileSync('python3', ['-c', 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])', path]),
}

for (const name of ['runs', 'records', 'commands', 'lock.d'])
  t.test(`names what is in the place of ${name}, and the next run succeeds without it`, async (t) => {
    for (const [kind, make] of Object.entries(kinds)) {
      const sandbox = new Sandbox(t)
      const path = `${sandbox.state}/${name}`
      mkdirSync(sandbox.state, { recursive: true })
      make(path)
      sandbox.write({ 'odd.ts': recipe, 'root/etc/.keep': '', 'site.json': '{"text": "one"}' })
      const words = ['configure', '--role', 'odd', '--recipes', 'odd.ts', '--json', 'site.json']
      const run = () => sandbox.converge([...words, '--prefix', sandbox.at('root')])
      const { status, stdout, stderr } = await run()
      t.not(status, 0, kind)
      const output = (stdout + stderr).replace(/\s+/g, ' ')
      t.match(output, `${path} is ${kind}, but it must be a directory`)
      t.match(output, `hint: check whether it is still needed, then move it away: mv ${path} ${path}.old`)
      rmSync(path)
      t.equal((await run()).status, 0, 'the next run')
    }
  })
