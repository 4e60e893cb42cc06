/** Runs a rolling restart in its own process, so that a test can kill it. */
import { readFileSync } from 'node:fs'
import { LocalHost } from '../../../core/host/local.ts'
import { Supervisor } from '../../../resources/supervisor/client.ts'
import { run, type Site, servers } from './supervisor_site.ts'

const { environments, cause, options, ...given } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
const host = new LocalHost(`${given.directory}/state`)
const site: Site = { ...given, host, supervisor: new Supervisor(host, given.socket) }
await run(site, servers(site, environments, cause, options))
