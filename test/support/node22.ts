/** Provides Node 22, which the console requires, from the npm registry. */
import { tmpdir, userInfo } from 'node:os'
import type { Architecture } from '../../core/fleet/program_format.ts'
import { downloadNode } from '../../core/fleet/remote/node_download.ts'

/** Returns the path of the program; later tests use the same copy. */
export function node22(): Promise<string> {
  const [major = 0] = process.versions.node.split('.').map(Number)
  if (major >= 22) return Promise.resolve(process.execPath)
  return downloadNode(process.arch as Architecture, `${tmpdir()}/converge-test-node-${userInfo().uid}`)
}
