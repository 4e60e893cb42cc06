/** Renders default.vcl, which caches pages for anonymous visitors, and nothing for visitors who are logged in. */

import * as z from 'zod'
import type { SiteNode } from '../node.ts'
import { clientLayer } from '../plone/balancing.ts'
import type { SiteAttributes } from '../site/site_attributes.ts'
import { balancerAt, reachedAt } from './addresses.ts'
import { hasStickySessions, ownCacheControl, stickyCookie } from './haproxy.ts'

/** An IPv4 network: address and prefix length in bits. */
export type Network = readonly [address: string, bits: number]

const ipv4 = z.ipv4()

/** Returns the networks that may purge pages: this host, and every host of the clients' layer. */
export function purgers(attributes: SiteAttributes): Network[] {
  const { layers } = attributes.opsworks
  const name = clientLayer(attributes)
  const instances = Object.hasOwn(layers, name) ? Object.values(layers[name]?.instances ?? {}) : []
  const addresses = instances.flatMap((instance) => {
    const { private_ip, ip, public_ip } = instance as typeof instance & { readonly public_ip?: unknown }
    return [private_ip, public_ip, ip].filter((one) => ipv4.safeParse(one).success)
  })
  const hosts = new Set(['127.0.0.1', ...(addresses as string[])])
  return [['127.0.0.0', 24], ...[...hosts].map((one): Network => [one, 32])]
}

/** The cookies that may change a page: those of Plone, Zope, its sessions and its authentication. */
const meaningful = ['statusmessages', '__ac', '_ZopeId', '__cp', 'beaker\\.session', 'authomatic', 'auth_token']
/** The cookies that identify a user. */
const identity = '(^|; ?)(__ac(_(name|password|persistent))?|auth_token)='

export function renderVcl(node: SiteNode): string {
  const { varnish_plone } = node
  const balancer = balancerAt(node)
  const sticky = hasStickySessions(node)
  const cookies = sticky ? [...meaningful, stickyCookie] : meaningful
  return `# Written by converge, changes are overwritten.
vcl 4.1;

import std;

backend balancer {
  .host = "${reachedAt(balancer)}";
  .port = "${balancer.port}";
  .connect_timeout = 5s;
  .first_byte_timeout = 900s;
  .between_bytes_timeout = 300s;
}

acl purge {
${purgers(node)
  .map(([address, bits]) => (bits === 32 ? `  "${address}";` : `  "${address}"/${bits};`))
  .join('\n')}
}

sub vcl_recv {
  # Said by this program and nobody else.
  unset req.http.X-Anonymous;
  unset req.http.X-Cache;

  if (req.method == "PURGE") {
    # Who comes by way of nginx is whom nginx names; what is no address is nobody's.
    if (client.ip !~ purge || (req.http.X-Real-IP && std.ip(req.http.X-Real-IP, "192.0.2.1") !~ purge)) {
      return (synth(405, "Not allowed"));
    }
    return (purge);
  }
  if (req.http.Upgrade ~ "(?i)websocket") {
    return (pipe);
  }
  if (req.method != "GET" && req.method != "HEAD") {
    return (pass);
  }
  if (req.http.Authorization || req.http.Cookie ~ "${identity}" || req.url ~ "createObject") {
    return (pass);
  }
  set req.http.X-Anonymous = "True";

  # Cookies of statistics and the like make no page another one.
  if (req.http.Cookie) {
    set req.http.Cookie = ";" + regsuball(req.http.Cookie, "; +", ";");
    set req.http.Cookie = regsuball(req.http.Cookie, ";(${cookies.join('|')})=", "; \\1=");
    set req.http.Cookie = regsuball(req.http.Cookie, ";[^ ][^;]*", "");
    set req.http.Cookie = regsuball(req.http.Cookie, "^[; ]+|[; ]+$", "");
    if (req.http.Cookie == "") {
      unset req.http.Cookie;
    } else {
      return (pass);
    }
  }
  return (hash);
}

# The address says scheme, host and port for itself: so a page is the same one for whoever has it thrown away.
sub vcl_hash {
  hash_data(req.url);
  return (lookup);
}

sub vcl_pipe {
  if (req.http.Upgrade) {
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = req.http.Connection;
  }
}

sub vcl_backend_response {
  set beresp.grace = ${varnish_plone.grace}s;

  # What visitors get at the moment is better than an error.
  if (bereq.is_bgfetch && beresp.status >= 500) {
    return (abandon);
  }
${sticky ? stickyPart : ''}  # An error is never kept, whatever it says itself: the page may be there for the next visitor.
  if (bereq.uncacheable || beresp.ttl <= 0s || beresp.http.Set-Cookie || beresp.status >= 400
      || (beresp.http.Cache-Control ~ "(?i)(private|no-cache|no-store)"
        && beresp.http.Cache-Control !~ "(?i)s-maxage=0*[1-9]")) {
    call not_kept;
  } elsif (!beresp.http.Cache-Control && !beresp.http.Expires) {
    if (beresp.status == 200 || beresp.status == 203 || beresp.status == 301) {
      set beresp.ttl = ${varnish_plone.default_ttl}s;
    } else {
      call not_kept;
    }
  }
  # What is kept here can be thrown away, what others keep cannot.
  if (beresp.http.Cache-Control ~ "s-maxage") {
    set beresp.http.Cache-Control = regsub(beresp.http.Cache-Control, "s-maxage=[0-9]+", "s-maxage=0");
  }
  return (deliver);
}

# With requests waiting for it, Varnish would keep its own error page for six seconds.
sub vcl_backend_error {
  set beresp.ttl = 1s;
  set beresp.grace = 0s;
  set beresp.keep = 0s;
  set beresp.uncacheable = true;
}

sub not_kept {
  set beresp.grace = 0s;
  set beresp.keep = 0s;
  # How long requests for it need not wait for each other.
  set beresp.ttl = 120s;
  set beresp.uncacheable = true;
}

sub vcl_deliver {
  if (obj.hits > 0) {
    set resp.http.X-Cache = "hit";
  } elsif (obj.uncacheable) {
    set resp.http.X-Cache = "pass";
  } else {
    set resp.http.X-Cache = "miss";
  }
  if (resp.http.Age) {
    set resp.http.X-Varnish-Age = resp.http.Age;
    set resp.http.Age = "0";
  }
}
`
}

/** Removes the balancer's cookie for anonymous visitors, which would make each page private to one visitor. */
const stickyPart = `  if (bereq.http.X-Anonymous && !bereq.uncacheable) {
    std.collect(beresp.http.Set-Cookie);
    if (beresp.http.Set-Cookie ~ "^${stickyCookie}=[^,]*$") {
      unset beresp.http.Set-Cookie;
      unset beresp.http.Cache-Control;
      if (beresp.http.${ownCacheControl}) {
        set beresp.http.Cache-Control = beresp.http.${ownCacheControl};
      }
    }
  }
  unset beresp.http.${ownCacheControl};
`
