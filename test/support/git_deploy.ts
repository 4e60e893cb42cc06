/** Runs one deploy in its own process, for tests that kill it: STATE_DIRECTORY PROPS_AS_JSON. */
import { mkdirSync } from 'node:fs'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { deployPlan, type GitReleaseProps } from './git_site.ts'

const [state = '', props = '{}'] = process.argv.slice(2)
const plan = deployPlan(JSON.parse(props) as GitReleaseProps)
mkdirSync(state, { recursive: true })
const report = await converge(plan, new LocalHost(state), { id: 'child', mode: 'run' })
if (report.outcome === 'failed') throw new Error(JSON.stringify(report.resources))
