/** Passes a host to code of users that may only read, such as queries and guards: its writing functions throw. */
import type { Host, HostReader } from '../host/types.ts'
import { ConvergeError } from './errors.ts'

const writing: Readonly<Record<Exclude<keyof Host, keyof HostReader>, true>> = {
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

/** @param caller in a few words, such as `the query "motd"`; its writes throw READ_ONLY */
export function readOnly(host: HostReader, caller: string): HostReader {
  return new Proxy(host, {
    get(target, name) {
      if (Object.hasOwn(writing, name)) return () => refuse(caller, String(name))
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function refuse(caller: string, name: string): never {
  throw new ConvergeError(`${caller} may only read: it called ${name}`, {
    code: 'READ_ONLY',
    hint: 'move the change to a resource, and use readText, list, stat and the like here',
    usage: true,
  })
}
