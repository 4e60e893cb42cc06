/** Tests a job in the crontab of an ordinary user: it is added, checked, changed and removed; other lines stay. */
import { strictEqual } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { compile } from '../../../core/compile/compile.ts'
import { role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { cron } from '../../../resources/cron/cron.ts'

const host = new LocalHost(`${process.env.HOME}/state`)
const crontab = (input?: string) =>
  spawnSync('crontab', [input === undefined ? '-l' : '-'], { input, encoding: 'utf8' })
const run = async (props: Parameters<typeof cron>[1]): Promise<string> => {
  const plan = compile([role<unknown>('job', { deploy: (r) => void cron(r, props) })], ['deploy'], {})
  const { outcome, resources } = await converge(plan, host, { id: 'x', mode: 'run' })
  return resources[0]?.failure?.message ?? outcome
}
const job = { name: 'cvtest', schedule: '0 0 30 2 *', command: 'date +%H' }
const block = '# BEGIN converge cvtest\n0 0 30 2 * date +\\%H\n# END converge cvtest\n'

strictEqual(crontab().status, 1)
strictEqual(await run({ name: 'cvtest', absent: true }), 'unchanged')
strictEqual(await run(job), 'changed')
strictEqual(crontab().stdout, block)
strictEqual(await run(job), 'unchanged')
crontab(`# mine\n0 0 31 2 * true\n${block}# more\n`)
strictEqual(await run(job), 'unchanged')
strictEqual(await run({ ...job, schedule: '@yearly' }), 'changed')
strictEqual(crontab().stdout, `# mine\n0 0 31 2 * true\n# more\n${block.replace('0 0 30 2 *', '@yearly')}`)
strictEqual(await run({ name: 'cvtest', absent: true }), 'changed')
strictEqual(crontab().stdout, '# mine\n0 0 31 2 * true\n# more\n')
crontab('')
