/** Explains failures that are due to the host, its network or its disks. */
import type { KnownFailure, Pattern } from './types.ts'

const clock = 'compare the clock of this host with the true time (date), and synchronize it (timedatectl set-ntp true)'

export const outOfMemory: KnownFailure = {
  reason: 'the host ran out of memory, or the memory limit of the process is reached',
  hint: 'free memory, add some (swap too), or raise the limit; dmesg shows whether the kernel killed the process',
}

export const systemFailures: readonly Pattern[] = [
  {
    name: 'dubious ownership',
    pattern: /detected dubious ownership in repository at '([^']+)'/,
    explain: (path) => ({
      reason: `${path} belongs to another account, and git refuses it`,
      hint: `give it to the account that runs git (chown -R), or trust it: git config --system --add safe.directory ${path}`,
    }),
  },
  {
    name: 'user in use',
    pattern: /user (\S+) is currently used by process (\d+)/,
    explain: (user, pid) => ({
      reason: `the account ${user} cannot be changed while process ${pid} runs as it`,
      hint: `stop what runs as ${user} (ps -u ${user} lists it; converge stop stops the programs of the app), then run again`,
    }),
  },
  {
    name: 'passwd lock',
    pattern: /cannot lock (\/etc\/\w+); try again later/,
    explain: (file) => ({
      reason: `another program is changing ${file}, or has left ${file}.lock behind`,
      hint: `run again; if no useradd, usermod or vipw runs, remove ${file}.lock`,
    }),
  },
  {
    name: 'certificate is not valid yet',
    pattern: /certificate is not yet valid/i,
    explain: () => ({ reason: 'a certificate is not valid yet by the clock of this host', hint: clock }),
  },
  {
    name: 'certificate has expired',
    pattern: /certificate (?:has expired|expired)|CERT_HAS_EXPIRED/i,
    explain: () => ({
      reason: 'the certificate of the server has expired, or the clock of this host is ahead',
      hint: `${clock}; if the clock is right, renew the certificate`,
    }),
  },
  {
    name: 'unknown issuer',
    pattern:
      /unable to get (?:local )?issuer certificate|self[- ]signed certificate|certificate signed by unknown authority|server certificate verification failed/i,
    explain: () => ({
      reason: 'this host does not know who issued the certificate of the server',
      hint: 'install ca-certificates; for an authority of your own, put its certificate into /usr/local/share/ca-certificates and run update-ca-certificates',
    }),
  },
  {
    name: 'proxy',
    pattern:
      /(?:Tunnel connection failed:|CONNECT tunnel failed, response) (\d+)|HTTP code (\d+) from proxy|Cannot connect to proxy|ProxyError/,
    explain: (one, other) => ({
      reason: `the proxy refuses the connection${one || other ? ` (HTTP status ${one || other})` : ''}`,
      hint: 'check the variables https_proxy and no_proxy of the run, and the login in them',
    }),
  },
  {
    name: 'name resolution',
    pattern:
      /Could not resolve (?:host|hostname|proxy):? ?([\w.-]+)|Could not resolve hostname ([\w.-]+)|Temporary failure (?:in name resolution|resolving '([^']+)')|Name or service not known|getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ([\w.-]+)/,
    explain(...hosts) {
      const host = hosts.find(Boolean)
      return {
        reason: host === undefined ? 'a host name cannot be resolved' : `the host name ${host} cannot be resolved`,
        hint: `check the name, and the name servers of this host: getent hosts ${host ?? 'NAME'}; cat /etc/resolv.conf`,
      }
    },
  },
  {
    name: 'quota',
    pattern: /Disk quota exceeded|EDQUOT/,
    explain: () => ({
      reason: 'the disk quota of the account is used up',
      hint: 'remove files of the account, or have its quota raised (quota -s or repquota -a shows it), then run again',
    }),
  },
  {
    name: 'full disk',
    pattern: /No space left on device|ENOSPC|Out of diskspace/i,
    explain: () => ({
      reason: 'a file system is full, or has no inodes left',
      hint: 'free some space: df -h and df -i show where; then run again',
    }),
  },
  {
    name: 'read-only file system',
    pattern: /Read-only file system|EROFS/,
    explain: () => ({
      reason: 'the file system is read-only',
      hint: 'find out why (dmesg shows errors of the disk), and mount it writable; then run again',
    }),
  },
  {
    name: 'open files',
    pattern: /Too many open files|EMFILE/,
    explain: () => ({
      reason: 'the limit of open files is reached',
      hint: 'raise it (ulimit -n, LimitNOFILE of the service that started this), then run again',
    }),
  },
  {
    name: 'busy program',
    pattern: /(\S{1,1000}): Text file busy|ETXTBSY/,
    explain: (file) => ({
      reason: `${file ?? 'a program'} is running, so that it cannot be written`,
      hint: `stop the processes that run it (fuser -v ${file ?? 'FILE'} lists them), then run again`,
    }),
  },
  {
    name: 'memory',
    pattern:
      /JavaScript heap out of memory|Cannot allocate memory|MemoryError|There is insufficient memory for the Java/,
    explain: () => outOfMemory,
  },
  {
    name: 'locale',
    pattern: /unsupported locale setting|locale\.Error/,
    explain: () => ({
      reason: 'the locale that the environment asks for is not installed',
      hint: 'set LANG and LC_ALL to C.UTF-8 in deploy.<app>.environment, or generate the locale (dpkg-reconfigure locales)',
    }),
  },
  {
    // After a kill -9 of the master process its workers keep the port, and serve visitors.
    name: 'address of nginx in use',
    pattern: /bind\(\) to (\S+) failed \(98/,
    explain(address = '') {
      const port = /\d+$/.exec(address)?.[0]
      const list = port === undefined ? 'ss -ltnp' : `ss -ltnp 'sport = :${port}'`
      return {
        reason: `another program, or a worker of an nginx whose master process was killed, listens on ${address}`,
        hint: `find it: ${list}; end such workers with kill -QUIT PID, stop any other program, or set another port in the attributes`,
      }
    },
  },
  {
    name: 'address in use',
    pattern: /Address already in use.{0,1000}?:(\d+)|EADDRINUSE.{0,1000}?:(\d+)|Address already in use|EADDRINUSE/,
    explain(...found) {
      const address = found.find(Boolean)
      const port = /\d+$/.exec(address ?? '')?.[0]
      const list = port === undefined ? 'ss -ltnp' : `ss -ltnp 'sport = :${port}'`
      return {
        reason: `another program listens on ${address ?? 'the same address'}`,
        hint: `find it: ${list}; stop it, or set another port in the attributes`,
      }
    },
  },
]
