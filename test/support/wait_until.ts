/** Waits for conditions, and for the ports that all sites on a computer share. */
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Test } from 'tap'
import { acquireLock } from '../../core/host/lock.ts'
import { minutes } from '../../core/model/units.ts'

/** Polls until the condition is true; throws an error after the limit, in seconds. */
export function until(holds: () => boolean | Promise<boolean>, what: string, limit = 60): Promise<void> {
  return polled(holds, what, limit, 50)
}

/** Polls more often, for conditions that take a few milliseconds. */
export function waitUntil(holds: () => boolean | Promise<boolean>, what: string, limit = 60): Promise<void> {
  return polled(holds, what, limit, 5)
}

async function polled(holds: () => boolean | Promise<boolean>, what: string, limit: number, pauseMs: number) {
  const end = performance.now() + limit * 1000
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${limit} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** The ports of the ZEO server and the clients of a site; the role defines them, not the test. */
const sitePorts = [8001, 8081, 8082, 8083]

/** Returns those of the given ports on which a process listens. */
function takenPorts(ports: readonly number[]): number[] {
  const lines = ['tcp', 'tcp6'].flatMap((table) => readFileSync(`/proc/net/${table}`, 'utf8').split('\n').slice(1))
  const listening = lines.flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    return state === '0A' ? [Number.parseInt(local.split(':')[1] ?? '', 16)] : []
  })
  return ports.filter((port) => listening.includes(port))
}

export function isTaken(port: number): boolean {
  return takenPorts([port]).length > 0
}

/** Blocks other test files that run a site of their own until this test ends. */
export async function reservePorts(t: Test): Promise<void> {
  const lock = await acquireLock(`${tmpdir()}/converge-test-site`, t.name, minutes(30))
  t.teardown(() => lock.release())
  await until(() => takenPorts(sitePorts).length === 0, `ports ${takenPorts(sitePorts).join(', ')} are free`, 120)
}
