/** Installs and runs the built program on a test host. */
import { cpSync, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Ended, TestHost } from './hosts.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))
const installDirectory = '/opt/converge'

/** Installs the program, with the files that custom recipes require; the host must have a Node. */
export function installProgram(host: TestHost): void {
  for (const path of ['dist', 'node_modules/esbuild', 'node_modules/@esbuild'])
    if (existsSync(`${project}${path}`))
      cpSync(`${project}${path}`, `${host.root}${installDirectory}/${path}`, { recursive: true, dereference: true })
}

/** Runs the program on the host as a root login would. */
export function converge(host: TestHost, words: string): Promise<Ended> {
  return host.ssh(`node ${installDirectory}/dist/start.cjs ${words}`)
}
