/** What authors of recipes get of the package: declarations that a compiler outside of the project can use. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { scratch } from './support/machine.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

function tsc(t: Test, ...args: string[]): void {
  const { status, stdout } = spawnSync(`${root}node_modules/.bin/tsc`, args, { encoding: 'utf8' })
  t.equal(status, 0, stdout)
}

t.test('a recipe is checked against the declarations, and a slip is found', async (t) => {
  const place = scratch(t)
  tsc(t, '-p', `${root}tsconfig.types.json`, '--outDir', `${place}/types`)
  fs.symlinkSync(`${root}node_modules`, `${place}/node_modules`)
  fs.writeFileSync(
    `${place}/recipe.ts`,
    `import { file, type PloneNode, role, service_restart } from 'converge-engine'
export default role<PloneNode>('mine', {
  deploy(r, node) {
    const config = file(r, { path: '/etc/mine', content: node.plone_instances.site_id })
    service_restart(r, { services: [{ name: 'mine' }], when: [config] })
    // @ts-expect-error a slip
    file(r, { pat: '/etc/mine' })
    // @ts-expect-error no such attribute
    node.plone_instance
  },
})
`,
  )
  const compilerOptions = {
    ...{ strict: true, noEmit: true, module: 'NodeNext', target: 'ES2023', types: ['node'] },
    paths: { 'converge-engine': ['./types/recipes/api.d.ts'] },
  }
  fs.writeFileSync(`${place}/tsconfig.json`, JSON.stringify({ compilerOptions, files: ['recipe.ts'] }))
  tsc(t, '-p', place)
})
