/** The compiler of TypeScript, which a host that a fleet brings its engine to does not have. */

/** Null where it is not installed. */
export async function loadCompiler(): Promise<typeof import('esbuild') | null> {
  try {
    return await import('esbuild')
  } catch (error) {
    if (!/MODULE_NOT_FOUND$/.test((error as NodeJS.ErrnoException).code ?? '')) throw error
    return null
  }
}
