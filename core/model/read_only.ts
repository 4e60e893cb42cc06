/** Passes a host to code of users that may only read, such as queries and guards: its writing functions throw. */
import type { Host, HostReader } from '../host/types.ts'
import { ConvergeError, type SourceLocation } from './errors.ts'

const writingFunctions: Readonly<Record<Exclude<keyof Host, keyof HostReader>, true>> = {
  writeFile: true,
  makeDirectory: true,
  replaceLink: true,
  rename: true,
  remove: true,
  setMode: true,
  setOwner: true,
  run: true,
  send: true,
  sendToSocket: true,
  sleep: true,
  locked: true,
  record: true,
  download: true,
  unknown: true,
  mayCreate: true,
  mayInstall: true,
}

/**
 * @param caller in a few words, such as `the query "motd"`; its writes throw READ_ONLY
 * @param locate returns the line of the user's code that a stack goes through
 */
export function readOnly(
  host: HostReader,
  caller: string,
  locate?: (stack: string | undefined) => SourceLocation | undefined,
): HostReader {
  return new Proxy(host, {
    get(target, name) {
      if (Object.hasOwn(writingFunctions, name)) return () => refuse(caller, String(name), locate?.(new Error().stack))
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function refuse(caller: string, name: string, source: SourceLocation | undefined): never {
  throw new ConvergeError(`${caller} may only read: it called ${name}`, {
    code: 'READ_ONLY',
    source,
    hint: 'move the change to a resource, and use readText, list, stat and the like here',
    usage: true,
  })
}
