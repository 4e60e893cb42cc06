/** Starts and ends rollout records in its own process, blocks in the middle of one, or changes the state of a stack. */
import { Recorder } from '../../core/fleet/records/recorder.ts'
import { updateState } from '../../core/fleet/records/stack_state.ts'
import { Secrets } from '../../core/model/secrets.ts'

const [directory = '', what = ''] = process.argv.slice(2)
const recorder = new Recorder({ directory, secrets: new Secrets(), warn: (message) => process.stderr.write(message) })
const common = {
  stack: 'site',
  action: 'deploy' as const,
  comment: '',
  by: 'jane@desk',
  started: new Date().toISOString(),
  strategy: 'parallel',
  commits: {},
}

if (what === 'hang') {
  const record = recorder.begin({ ...common, hosts: ['client1', 'client2', 'client3'] })
  record.logEvent({ event: 'host', host: 'client1', phase: 'build' })
  record.logEvent({ event: 'done', host: 'client1', phase: 'build', outcome: 'changed', durationMs: 5 })
  record.logEvent({ event: 'host', host: 'client2', phase: 'switch' })
  setInterval(() => undefined, 1000)
} else if (what.startsWith('state-'))
  for (let n = 0; n < 20; n++)
    await updateState(directory, (state) => ({
      ...state,
      hosts: { ...state.hosts, [`${what}-${n}`]: { status: 'online' } },
    }))
else
  for (let n = 0; n < Number(what); n++) {
    const record = recorder.begin({ ...common, hosts: [] })
    record.end({ ...common, id: null, durationMs: 1, outcome: 'unchanged', hosts: [], warnings: [] })
    process.stdout.write(`${record.id}\n`)
  }
