/** Runs `converge report`: renders the journal of a run as an HTML page. */
import { hostname } from 'node:os'
import { StateDirectory } from '../../host/state_directory.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { ResourceReport, RunReport, RunStart } from '../../report/events.ts'
import { htmlReport } from '../../report/html_report.ts'
import { replay } from '../../report/replay.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { stateDirectory } from '../inputs/read_inputs.ts'
import { writeOutputFile } from '../output_file.ts'
import { printError } from '../print.ts'
import { usage } from '../usage.ts'

/** @throws ConvergeError NO_JOURNAL, INVALID_JOURNAL, CANNOT_WRITE_REPORT */
export function report(args: Arguments): ExitStatus {
  const state = new StateDirectory(stateDirectory(args))
  const run = runOf(state, args.journal)
  const page = htmlReport({ host: hostname(), ...contentOf(state, run) })
  if (args.out === undefined) process.stdout.write(page)
  else {
    writeReport(args.out, page)
    printError(`the report of run ${run} is in ${args.out}\n`)
  }
  return 0
}

function runOf(state: StateDirectory, requested: string | undefined): string {
  const runs = state.runs()
  const last = runs.at(-1)
  if (last === undefined)
    throw new ConvergeError(`there is no journal in ${state.path}/runs`, {
      code: 'NO_JOURNAL',
      hint: 'apply a role first, or name the state directory with --state-dir or --prefix',
      usage: true,
    })
  const found = requested === undefined ? last : runs.find((run) => Number(run) === Number(requested))
  if (found === undefined)
    throw usage(`there is no journal of run ${requested}`, `the journals are ${runs[0]} to ${last}`)
  return found
}

function contentOf(state: StateDirectory, run: string) {
  const resources: ResourceReport[] = []
  const [warnings, notes]: [string[], string[]] = [[], []]
  let start: RunStart | undefined
  let end: RunReport | null = null
  for (const line of state.readJournal(run))
    replay(line, {
      start: (value) => {
        start = value
      },
      resource: (value) => void resources.push(value),
      warn: (message) => void warnings.push(message),
      note: (message) => void notes.push(message),
      end: (value) => {
        end = value
      },
    })
  if (start === undefined)
    throw new ConvergeError(`${state.journalPath(run)} is damaged: it has no start of a run`, {
      code: 'INVALID_JOURNAL',
      hint: 'name another run with --journal',
    })
  return { start, resources, warnings, notes, end }
}

/** The report shows configuration files, so only this account can read it. */
function writeReport(path: string, page: string): void {
  writeOutputFile(path, page, {
    failure: `cannot write the report to ${path}`,
    code: 'CANNOT_WRITE_REPORT',
    hint: 'name a file in an existing directory that this account may write to',
  })
}
