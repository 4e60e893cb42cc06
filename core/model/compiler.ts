/** Loads the TypeScript compiler; hosts that get their engine from a rollout have none. */

/** Null where it is not installed. */
export async function loadCompiler(): Promise<typeof import('esbuild') | null> {
  try {
    return await import('esbuild')
  } catch (error) {
    if (!/MODULE_NOT_FOUND$/.test((error as NodeJS.ErrnoException).code ?? '')) throw error
    return null
  }
}
