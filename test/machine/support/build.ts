/** Runs the build that its arguments describe in its own process, so that a test can kill it. */
import { compile } from '../../../core/compile/compile.ts'
import { role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { buildout } from '../../../resources/python/buildout.ts'

const [, , state = '', props = ''] = process.argv
const plan = compile([role<unknown>('t', { deploy: (r) => void buildout(r, JSON.parse(props)) })], ['deploy'], {})
await converge(plan, new LocalHost(state), { id: 'killed', mode: 'run' })
