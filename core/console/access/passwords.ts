/** Stores passwords as scrypt digests, with the parameters that OWASP recommends (128 MiB of memory for each attempt). */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import pLimit from 'p-limit'

const parameters = { cost: 2 ** 17, blockSize: 8, parallelization: 1 } as const
/** Limit of scrypt in bytes, above what the parameters need. */
const maxMemory = 256 * 1024 * 1024
/** Many logins at once must not exhaust the memory of the host. */
const limited = pLimit(2)

/** Returns `scrypt$N$r$p$salt$digest`, the last two in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const { cost, blockSize, parallelization } = parameters
  const digest = await derive(password, salt, parameters)
  const numbers = [cost, blockSize, parallelization]
  return ['scrypt', ...numbers, salt.toString('base64url'), digest.toString('base64url')].join('$')
}

/** Decides whether a password is the stored one, in the same time for each password. */
export async function isPassword(password: string, stored: string): Promise<boolean> {
  const [kind, cost, blockSize, parallelization, salt, digest] = stored.split('$')
  if (kind !== 'scrypt' || salt === undefined || digest === undefined) return false
  const expected = Buffer.from(digest, 'base64url')
  const numbers = { cost: Number(cost), blockSize: Number(blockSize), parallelization: Number(parallelization) }
  const found = await derive(password, Buffer.from(salt, 'base64url'), numbers)
  return timingSafeEqual(found, expected)
}

/** Takes as long as `isPassword`: a login with an unknown name must not be faster than one with a wrong password. */
export async function spendTime(password: string): Promise<void> {
  await derive(password, randomBytes(16), parameters)
}

interface Parameters {
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
}

function derive(password: string, salt: Buffer, { cost, blockSize, parallelization }: Parameters): Promise<Buffer> {
  return limited(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        const options = { N: cost, r: blockSize, p: parallelization, maxmem: maxMemory }
        // The same characters may be typed in two forms of Unicode.
        scrypt(password.normalize('NFKC'), salt, 32, options, (error, key) => (error ? reject(error) : resolve(key)))
      }),
  )
}
