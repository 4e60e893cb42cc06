/** Checks pages with axe-core, and takes pictures of them. */
import { mkdirSync } from 'node:fs'
import axe from 'axe-core'
import type { Page } from 'playwright-core'

const pictures = process.env.CONSOLE_SCREENSHOTS

interface Finding {
  readonly id: string
  readonly help: string
  readonly nodes: readonly { readonly html: string }[]
}

/** Returns what axe-core finds on a page. */
export async function findings(page: Page): Promise<string[]> {
  // The page permits no script of others; this one runs outside its policy.
  await page.evaluate(axe.source)
  const { violations } = (await page.evaluate('axe.run()')) as { readonly violations: readonly Finding[] }
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html}`)
}

/** Stores pictures of a page in the directory CONSOLE_SCREENSHOTS: wide and phone, light and dark. */
export async function picture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return
  mkdirSync(pictures, { recursive: true })
  for (const colorScheme of ['light', 'dark'] as const)
    for (const [kind, width] of [
      ['wide', 1280],
      ['phone', 390],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 844 })
      await page.screenshot({ path: `${pictures}/${name}-${kind}-${colorScheme}.png`, fullPage: true })
    }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 844 })
}
