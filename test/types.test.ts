/** Tests the published types: authors of recipes can compile against them outside of the project. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { allBlocks } from './docs/blocks.ts'
import { documentedModules } from './docs/modules.ts'
import { scratch } from './support/machine.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

function tsc(...args: string[]): { readonly status: number | null; readonly stdout: string } {
  return spawnSync(`${root}node_modules/.bin/tsc`, args, { encoding: 'utf8' })
}

const types = scratch(t)
const emitted = tsc('-p', `${root}tsconfig.types.json`, '--outDir', types)
t.equal(emitted.status, 0, emitted.stdout)

/** Makes a recipe author's project, as the documentation describes. */
function project(t: Test, files: Readonly<Record<string, string>>): string {
  const place = scratch(t)
  fs.symlinkSync(`${root}node_modules`, `${place}/node_modules`)
  fs.symlinkSync(types, `${place}/types`)
  for (const [name, text] of Object.entries({ 'package.json': '{ "type": "module" }', ...files }))
    fs.writeFileSync(`${place}/${name}`, text)
  const documented = allBlocks().find(({ key }) => key === 'docs/writing-recipes.md > Types in your editor')
  const { compilerOptions } = JSON.parse(documented?.text ?? '') as { compilerOptions: object }
  const paths = { 'converge-engine': ['./types/recipes/api.d.ts'] }
  const sources = Object.keys(files).filter((name) => name.endsWith('.ts'))
  fs.writeFileSync(
    `${place}/tsconfig.json`,
    JSON.stringify({ compilerOptions: { ...compilerOptions, preserveSymlinks: true, paths }, files: sources }),
  )
  return place
}

t.test('a recipe is checked against the declarations, and a slip is found', async (t) => {
  const place = project(t, {
    'recipe.ts': `import { file, type PloneNode, role, service_restart } from 'converge-engine'
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
  })
  const { status, stdout } = tsc('-p', place)
  t.equal(status, 0, stdout)
})

t.test('all TypeScript of the documentation compiles', async (t) => {
  const modules = documentedModules()
  const files = Object.fromEntries(modules.map(({ text }, index) => [`example${index}.ts`, text]))
  const place = project(t, files)
  fs.symlinkSync(`${root}fixtures/custom-recipe/resources`, `${place}/resources`)
  const { status, stdout } = tsc('-p', place)
  const named = modules.reduceRight((text, { where }, index) => text.replaceAll(`example${index}.ts`, where), stdout)
  t.equal(status, 0, named)
})
