/** Creates an empty Python environment: with venv, or for Python 2 with the last virtualenv that supports it. */
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Duration } from '../../core/model/units.ts'
import { findProgram } from '../commands/find_program.ts'

/** Versions from 20.22 on do not support Python 2. This one was tested on Python 3.11, 3.12 and 3.13. */
const lastForPython2 = 'virtualenv==20.21.1'
/** The Python that runs that virtualenv. */
const helper = 'python3'

export interface EnvironmentProps {
  readonly path: string
  readonly user?: string | undefined
  readonly group?: string | undefined
  readonly timeout: Duration
}

/**
 * Creates the environment.
 * @throws NO_ENSUREPIP, NO_PROGRAM, COMMAND_FAILED
 */
export async function makeEnvironment(host: Host, props: EnvironmentProps, python: string): Promise<void> {
  const { path, user, group, timeout } = props
  try {
    await host.run([python, '-m', 'venv', path], { user, group, timeout })
  } catch (error) {
    if (!lacksVenv(error) || !(await isPython2(host, props, python))) throw explainMissingVenv(error, python)
    await makeForPython2(host, props, python)
  }
}

async function makeForPython2(host: Host, props: EnvironmentProps, python: string): Promise<void> {
  const { path, user, group, timeout } = props
  const maker = findProgram(host, helper, user)
  if (maker === null)
    throw new ConvergeError(
      `${python} is a Python 2: its environments are made by virtualenv, which requires ${helper}`,
      {
        code: 'NO_PROGRAM',
        hint: `install it: apt-get install ${helper} ${helper}-venv`,
      },
    )
  const tool = `${path}/.virtualenv`
  const options = { user, group, timeout }
  try {
    await host.run([maker, '-m', 'venv', tool], options)
  } catch (error) {
    throw explainMissingVenv(error, maker)
  }
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', lastForPython2]
  await host.run([`${tool}/bin/python`, ...pip], options)
  // Uses the pip and setuptools bundled with it, the last ones for Python 2.
  const make = ['-m', 'virtualenv', '--no-download', '--no-periodic-update', '--python', python, path]
  await host.run([`${tool}/bin/python`, ...make], options)
  host.remove(tool)
}

async function isPython2(host: Host, { user, group }: EnvironmentProps, python: string): Promise<boolean> {
  const script = 'import sys; sys.exit(0 if sys.version_info[0] == 2 else 1)'
  return (await host.query([python, '-c', script], { user, group, accept: 'any' })).status === 0
}

function lacksVenv(error: unknown): boolean {
  return error instanceof ConvergeError && /No module named '?venv\b/.test(error.output ?? '')
}

/** Replaces the error of a Debian Python without the venv package by one with a hint. */
function explainMissingVenv(error: unknown, python: string): unknown {
  if (!(error instanceof ConvergeError)) return error
  const output = error.output ?? ''
  if (!/ensurepip is not|No module named '?(ensurepip|venv)\b/.test(output)) return error
  const named = /apt(?:-get)? install (python[\d.]*-venv)/.exec(output)?.[1] ?? 'python3-venv'
  return new ConvergeError(`${python} cannot make environments: its modules venv and ensurepip are not installed`, {
    code: 'NO_ENSUREPIP',
    hint: python.startsWith('/usr/bin/')
      ? `install them: apt-get install ${named}`
      : `install both modules for this Python, or set python to /usr/bin/python3 and install ${named}`,
    cause: error,
  })
}
