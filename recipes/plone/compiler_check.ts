/** Checks whether C extensions can be compiled. Reports only warnings, because many sites install wheels only. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { findProgram } from '../../resources/commands/find_program.ts'
import { install, ok, warning } from '../checks/findings.ts'
import type { BuildoutApp } from './buildout_app.ts'

/** The headers that the C code of Plone's packages includes, with their Debian packages. */
const requiredHeaders = [
  ['/usr/include/libxml2/libxml/xmlversion.h', 'libxml2-dev'],
  ['/usr/include/libxslt/xslt.h', 'libxslt1-dev'],
  ['/usr/include/jpeglib.h', 'libjpeg-dev'],
  ['/usr/include/zlib.h', 'zlib1g-dev'],
] as const

export function compilerChecks(host: HostReader, { build, account }: BuildoutApp): HostCheck[] {
  const { python } = build
  return [
    {
      what: 'compiler',
      run() {
        const path = host.which('cc') ?? host.which('gcc')
        if (path !== null) return ok(path)
        return warning(
          'no C compiler found: packages without a wheel cannot be built',
          install(host, 'build-essential'),
        )
      },
    },
    {
      what: 'Python.h',
      async run() {
        const program = findProgram(host, python, account.user)
        if (program === null) return null
        const script = 'import sysconfig, sys; sys.stdout.write(sysconfig.get_paths()["include"])'
        const { status, stdout } = await host.query([program, '-c', script], { accept: 'any' })
        if (status !== 0) return null
        if (host.stat(`${stdout}/Python.h`) !== null) return ok(stdout)
        const name = /(python\d+\.\d+)[a-z]*$/.exec(stdout)?.[1] ?? 'python3'
        return warning(`${stdout}/Python.h does not exist: C extensions cannot be built`, install(host, `${name}-dev`))
      },
    },
    {
      what: 'libraries for building eggs',
      run() {
        const absent = requiredHeaders.flatMap(([path, name]) => (host.stat(path) === null ? [name] : []))
        if (absent.length === 0) return ok(requiredHeaders.map(([, name]) => name).join(', '))
        return warning(`lxml or Pillow cannot be compiled without ${absent.join(', ')}`, install(host, ...absent))
      },
    },
  ]
}
