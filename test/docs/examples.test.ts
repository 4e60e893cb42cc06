/** Runs or compares every fenced block of the README and of docs/, as test/docs/examples.ts defines. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { allBlocks, type Block, project, where } from './blocks.ts'
import { examples, proofOf } from './examples.ts'
import type { Proof } from './kinds.ts'
import { Reader, systemAccounts } from './reader.ts'

const blocks = allBlocks()
const ofKind = <K extends Proof['kind']>(kind: K) =>
  blocks.flatMap((block) => {
    const proof = proofOf(block)
    return proof?.kind === kind ? [{ block, proof: proof as Extract<Proof, { kind: K }> }] : []
  })

t.test('each block has a proof', async (t) => {
  const unproved = blocks.filter((block) => proofOf(block) === undefined)
  t.strictSame(unproved.map(where), [], 'give the fence a language, or add the block to test/docs/examples.ts')
})

t.test('each entry of the table is a block of a page', async (t) => {
  const keys = new Set(blocks.map(({ key }) => key))
  t.strictSame(
    Object.keys(examples).filter((key) => !keys.has(key)),
    [],
  )
})

// The commands of the pages use these programs.
if (!needs(t, ['git', 'jq', 'ssh-keygen', 'nobody'])) process.exit()

const reader = new Reader(t)

t.test('attributes in examples are valid', async (t) => {
  for (const [index, { block, proof }] of ofKind('attributes').entries()) {
    const { roles = [] } = proof
    const directory = `attributes${index}`
    reader.write({
      [`${directory}/below.json`]: reader.local(JSON.stringify(proof.below ?? {})),
      [`${directory}/example.json`]: reader.local(block.text),
      [`${directory}/accounts.json`]: systemAccounts([...appsIn(proof.below), ...appsIn(JSON.parse(block.text))]),
    })
    const given = ['--node-json', `${directory}/below.json`, '--json', `${directory}/example.json`]
    const command =
      roles.length > 0 ? ['plan', '--role', roles.join(), '--prefix', reader.at(directory)] : ['attributes']
    const accounts = roles.length > 0 ? ['--json', `${directory}/accounts.json`] : []
    const { status, stdout, stderr } = await reader.converge([...command, ...given, ...accounts])
    t.equal(status, 0, `${where(block)}: ${stderr}${status === 0 ? '' : stdout.slice(-2000)}`)
    t.equal(stderr, '', where(block))
  }
})

/** Returns the apps that attributes name, below `deploy` or as the app of a role. */
function appsIn(json: unknown): string[] {
  const { deploy = {}, ...roles } = (json ?? {}) as Readonly<Record<string, object>>
  const named = Object.values(roles).flatMap((role) => ('app_name' in role ? String(role.app_name) : []))
  return [...Object.keys(deploy), ...named]
}

t.test('commands in examples work', async (t) => {
  for (const { block } of ofKind('commands')) {
    if (isSynopsis(block)) continue
    const { status, output } = await reader.follow(block.text)
    t.equal(status, 0, `${where(block)}:\n${block.text}\n${output.slice(-3000)}`)
  }
})

/** Decides whether a block shows the form of commands, with placeholders in brackets. */
function isSynopsis({ text }: Block): boolean {
  return /^converge .*\[.*\]$/m.test(text)
}

t.test('sample outputs are real outputs', async (t) => {
  for (const { block, proof } of ofKind('compared'))
    await t.test(where(block), async (t: Test) => proof.compare(t, block, reader))
})

t.test('a block that another test proves is read from the page', async (t) => {
  for (const { block, proof } of ofKind('elsewhere'))
    t.match(readFileSync(join(project, proof.test), 'utf8'), block.page, `${where(block)}: ${proof.test}`)
})
