/** Converges a few hundred files below a directory in its own process, which can be traced; prints the counts. */
import { compile } from '../../../core/compile/compile.ts'
import { role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { directory } from '../../../resources/files/directory.ts'
import { file } from '../../../resources/files/file.ts'
import { symlink } from '../../../resources/files/symlink.ts'
import { template } from '../../../resources/files/template.ts'

const base = process.argv[2] ?? ''
const files = role<unknown>('files', {
  deploy(r) {
    directory(r, { path: `${base}/tree/in`, parents: true, mode: '2750', group: 'root' })
    const config = file(r, { path: `${base}/tree/grün – ü.txt`, content: 'ä\r\n', mode: '0640' })
    for (let n = 0; n < 100; n++) {
      template(r, { path: `${base}/tree/in/t${n}`, source: 'n = {{n}}\n', variables: { n }, mode: '0640' })
      symlink(r, { path: `${base}/tree/l${n}`, target: `in/t${n}` })
    }
    execute(r, { command: ['touch', `${base}/tree/touched`], creates: `${base}/tree/touched`, when: [config] })
  },
})
const host = new LocalHost(`${base}/state`)
const { counts, resources } = await converge(compile([files], ['deploy'], {}), host, { id: 'x', mode: 'run' })
host.flush()
console.log(JSON.stringify({ counts, failure: resources.find(({ failure }) => failure)?.failure }))
