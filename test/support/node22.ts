/** Provides Node 22, which the console requires, from the npm registry. */
import { tmpdir, userInfo } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Architecture } from '../../core/fleet/program_format.ts'
import { downloadNode } from '../../core/fleet/remote/node_download.ts'
import { needs } from './machine.ts'

const [major = 0] = process.versions.node.split('.').map(Number)

/** Starts this Node without the hooks of tap, for which Node 22 sometimes waits without end. */
export const plainNode = ['env', '-u', 'NODE_OPTIONS', process.execPath] as const

/** Returns the path of the program; later tests use the same copy. */
export async function node22(): Promise<string> {
  if (major >= 22) return process.execPath
  return downloadNode(process.arch as Architecture, `${tmpdir()}/converge-test-node-${userInfo().uid}`)
}

/**
 * Runs a test file again with Node 22 if this Node is older.
 * @param url of the test file
 * @returns whether the tests run in this process
 */
export async function runsOnNode22(t: Test, url: string): Promise<boolean> {
  if (major >= 22) return true
  await t.test('with Node 22', async (t) => {
    if (!needs(t, ['npm registry'])) return
    const { NODE_OPTIONS, ...env } = process.env
    await t.spawn(await node22(), ['--import=tsx', fileURLToPath(url)], { env }, 'the same file')
  })
  return false
}
