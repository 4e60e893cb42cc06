/** Plants secrets and searches for them: each has marks at its beginning and end that no writer changes. */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'

/** A text that contains a planted secret, and the secret's name. */
export interface Leak {
  readonly where: string
  readonly secret: string
  /** The text around the secret. */
  readonly excerpt: string
}

interface Planted {
  readonly name: string
  /** Texts that reveal the secret or a part of it: plain, in base64 and in hexadecimal. */
  readonly marks: readonly string[]
}

export class PlantedSecrets {
  private readonly planted: Planted[] = []

  get count(): number {
    return this.planted.length
  }

  /**
   * Makes a secret.
   * @param name where it is planted
   * @param shape the middle of the value; each `@` in it is replaced by a mark
   */
  make(name: string, shape = ''): string {
    const id = `${this.planted.length + 10}`
    const [head, middle, tail] = [`Hq${id}zXv`, `Mq${id}zXv`, `Tq${id}zXv`]
    this.planted.push({ name, marks: [head, middle, tail].flatMap(spellingsOf) })
    return `${head}${shape.replaceAll('@', middle)}${shape.endsWith('|') ? '' : tail}`.replace(/\|$/, '')
  }

  /** Plants a given value, such as a short one, which must not occur anywhere else. */
  exact(name: string, value: string): string {
    this.planted.push({ name, marks: [value] })
    return value
  }

  leaks(where: string, text: string): Leak[] {
    return this.planted.flatMap(({ name, marks }) => {
      const at = marks.map((mark) => text.indexOf(mark)).find((index) => index >= 0)
      if (at === undefined) return []
      return [{ where, secret: name, excerpt: text.slice(Math.max(0, at - 60), at + 60) }]
    })
  }

  /** Returns the leaks in all files below a directory. */
  leaksBelow(directory: string, accept: (path: string) => boolean = () => true): Leak[] {
    return filesBelow(directory).flatMap((path) =>
      accept(path) ? this.leaks(path, fs.readFileSync(path, 'latin1')) : [],
    )
  }
}

/**
 * Decides whether an account other than owner and group can read a file; directories outside of `top` count as open.
 */
export function isReadableByOthers(path: string, top: string): boolean {
  if ((fs.lstatSync(path).mode & 0o004) === 0) return false
  for (let above = dirname(path); above.length >= top.length; above = dirname(above))
    if ((fs.lstatSync(above).mode & 0o001) === 0) return false
  return true
}

function filesBelow(directory: string): string[] {
  if (!fs.existsSync(directory)) return []
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []))
}

function spellingsOf(mark: string): string[] {
  const bytes = Buffer.from(mark)
  // At any offset of an encoded text; the characters at the ends contain bits of their neighbours.
  const encoded = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .slice(shift + (shift > 0 ? 1 : 0), Math.floor(((shift + bytes.length) * 8) / 6)),
  )
  return [mark, ...encoded, bytes.toString('hex'), encodeURIComponent(mark)]
}
