/** Configures TLS with a certificate from the attributes of an app. */
import type { Recipe } from '../../core/compile/role.ts'
import type { Handle } from '../../core/model/resource.ts'
import { nginxWord } from '../../core/text/nginx.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import type { SiteNode } from '../node.ts'
import { checkInside, type Nginx } from './nginx.ts'

/** The paths of a certificate. */
export interface Certificate {
  readonly chain: string
  readonly key: string
}

/** Writes the file of a given certificate; nginx checks that key and certificate match. */
export function certificateFile(
  r: Recipe<SiteNode>,
  nginx: Nginx,
  { path, content, port }: { readonly path: string; readonly content: string; readonly port: number },
): Handle {
  directory(r, { path: nginx.certificates, mode: '0700' })
  const listening = `server { listen ${port} ssl; ssl_certificate "%{path}"; ssl_certificate_key "%{path}"; }`
  return file(r, { path, content, mode: '0600', sensitive: true, verify: checkInside(nginx, listening) })
}

/** Returns the TLS directives of a server block; settings of shared connections are equal on all sites of an nginx. */
export function tlsDirectives({ chain, key }: Certificate): string[] {
  return [
    `ssl_certificate ${nginxWord(chain)};`,
    `ssl_certificate_key ${nginxWord(key)};`,
    'ssl_protocols TLSv1.2 TLSv1.3;',
    'ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;',
    'ssl_prefer_server_ciphers off;',
    'ssl_session_cache shared:converge:10m;',
    'ssl_session_timeout 1d;',
    'ssl_session_tickets off;',
  ]
}
