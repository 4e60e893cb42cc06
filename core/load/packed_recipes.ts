/** Loads recipes that were packed elsewhere: a directory with a manifest, whose bundles are run as they are. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { readInputFile } from '../host/input_file.ts'
import { ConvergeError } from '../model/errors.ts'
import { type BundleOptions, evaluate } from './bundle.ts'
import { manifestName } from './manifest.ts'

const manifestSchema = z.object({
  format: z.literal(1),
  /** Version of the engine it was packed by, and for. */
  engine: z.string(),
  entries: z.array(
    z.object({
      kind: z.enum(['recipe', 'config']),
      /** The file as its author knows it. */
      file: z.string(),
      script: z.string(),
    }),
  ),
  /** SHA-256 of each file, by its path. */
  files: z.record(z.string(), z.string()),
})
export type PackManifest = z.output<typeof manifestSchema>

/** A loaded module of the author. */
export interface PackedModule {
  readonly kind: 'recipe' | 'config'
  /** The file as its author knows it. */
  readonly file: string
  readonly exports: Record<string, unknown>
}

/**
 * Loads all modules of a pack; no compiler is needed.
 * @throws PACK_BROKEN where a file is not what was packed, OTHER_ENGINE where it was packed for another version
 */
export function loadPacked(
  directory: string,
  { engineVersion, api }: Pick<BundleOptions, 'engineVersion' | 'api'>,
): PackedModule[] {
  const { engine, entries, files } = readManifest(directory)
  if (engine !== engineVersion)
    throw new ConvergeError(`${directory} was packed for converge ${engine}, and this is ${engineVersion}`, {
      code: 'OTHER_ENGINE',
      hint: 'pack the recipes again, with the version that is to run them',
      usage: true,
    })
  for (const [path, digest] of Object.entries(files)) checkFile(directory, path, digest)
  return entries.map(({ kind, file, script }) => {
    const path = join(directory, script)
    return { kind, file, exports: evaluate(path, path, api, file) }
  })
}

function readManifest(directory: string): PackManifest {
  const path = join(directory, manifestName)
  let value: unknown
  try {
    value = JSON.parse(readInputFile(path).toString('utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw broken(path)
  }
  const parsed = manifestSchema.safeParse(value)
  if (!parsed.success) throw broken(path)
  return parsed.data
}

function checkFile(directory: string, path: string, digest: string): void {
  const full = join(directory, path)
  const content = fs.existsSync(full) ? readInputFile(full) : null
  if (content === null || digestOf(content) !== digest) throw broken(full)
}

function broken(path: string): ConvergeError {
  return new ConvergeError(`${path} is not what was packed`, {
    code: 'PACK_BROKEN',
    hint: 'pack and upload the recipes again; a pack must not be changed by hand',
    usage: true,
  })
}

export function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
