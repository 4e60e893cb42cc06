/** Patterns that find secrets in the options and arguments of well-known commands. */
import { always, quoted, type SecretPattern, type SecretPatternGroup } from './secret_pattern.ts'

const within = '[^\\n|;&]{0,400}?\\s'
const argument = `(${quoted}|[^\\s"'-][^\\s"']*)`

/** Commands that read a secret from standard input. */
const readers =
  '(?:kinit|cryptsetup|smbpasswd|passwd|chpasswd|sudo|su|gpg2?|openssl|restic|borg|rclone|vault|ansible-vault|sshfs|mount\\.cifs)'
const echo = '(?:echo|printf)\\s+(?:-\\w+\\s+)?(?:["\']?%s(?:\\\\n)?["\']?\\s+)?'

const optionsAndArguments = [
  `((?:curl|wget|https?|xh)\\b${within}(?:-u|--user|-a|--auth|-U|--proxy-user)[= ]?["']?[^\\s:"']+:)([^\\s"']+)`,
  `((?:mysql\\w*|mariadb[\\w-]*|mycli|7z\\w*)\\b${within}-p)${argument}`,
  `((?:mongo\\w*|sshpass)\\b${within}-p[= ]?)${argument}`,
  `(sshpass\\s+-p[= ]?)${argument}`,
  `((?:docker|podman|buildah|skopeo|helm|az|oc)\\b${within}login\\b[^\\n|;&]{0,99}?\\s-p[= ]?)${argument}`,
  `(ldap\\w+\\s${within.replace('\\s', '')}-w[= ]?)${argument}`,
  `(redis-cli\\b${within}-a )${argument}`,
  `((?:un)?zip\\b${within}-P ?)${argument}`,
  `(htpasswd\\s+-\\w*b\\w*\\s+\\S+\\s+\\S+\\s+)${argument}`,
  `(wpa_passphrase\\s+\\S+\\s+)${argument}`,
  `(rabbitmqctl\\b${within}(?:add_user|change_password)\\s+\\S+\\s+)${argument}`,
  `(pass:)([^\\s"']{4,})`,
  `(redis-cli\\b${within}--pass[= ])${argument}`,
  `(curl\\b${within}(?:-b|--cookie)[= ]?["']?[^\\s=;"']+=)([^\\s"']+)`,
  `(user(?:mod|add)\\b${within}-p[= ]?)${argument}`,
  `(openssl\\b${within}-[kK] )${argument}`,
  `(ssh-keygen\\b${within}-[NP] ?)${argument}`,
  `((?:un)?rar\\b${within}-h?p)${argument}`,
  `((?:smb\\w+|rpcclient)\\b${within}(?:-U|--user)[= ]?["']?[^\\s%"']+%)([^\\s"']+)`,
  `(lftp\\b${within}-u ?["']?[^\\s,"']+,)([^\\s"']+)`,
  `(vault\\s+login\\s+(?:-\\S+\\s+)*)((?=\\S*\\d)[^\\s"'=-][^\\s"'=]*)`,
  `(twine\\b${within}-p[= ]?)${argument}`,
  `((?:ipmitool|mosquitto_\\w+)\\b${within}-P[= ]?)${argument}`,
  `(snmp\\w+\\b${within}-[cAX] ?)${argument}`,
  `(ldappasswd\\b${within}-[sa] ?)${argument}`,
  `(echo\\s+(?:-\\w+\\s+)?["']?[^\\s:"'|]{1,300}:)([^\\s"'|]{1,300})(?=[^\\n|]{0,300}\\|[^\\n|]{0,300}chpasswd)`,
  `(${echo})(${quoted}|[^\\s"'|]+)(?=\\s{0,300}\\|[^\\n|]{0,300}(?:--password-stdin|--passphrase-fd|--stdin|\\s-S\\b))`,
].map(ofCommand)

/** Commands whose options no other command has. */
const ofOtherCommands = [
  `(${echo})(${quoted}|[^\\s"'|]+)(?=\\s{0,300}\\|\\s{0,9}(?:sudo\\s+)?${readers.replace('|chpasswd|sudo|', '|')}\\b)`,
  `(${readers}\\b[^\\n|;]{0,200}<<<\\s{0,9}["']?(?:[^\\s:"']{1,80}:)?)([^\\s"']+)`,
  `((?:--pass\\S{0,40}|--key\\S{0,40}|-p|--vault\\S{0,40})[= ]<\\(\\s{0,9}${echo})(${quoted}|[^\\s"')]+)`,
  `((?:plink|pscp|psftp)\\b${within}-pw )${argument}`,
  `((?:psexec\\w*|crackmapexec|nxc|netexec|evil-winrm|rdesktop|supervisorctl|ncftp\\w*)\\b${within}-p )${argument}`,
  `(doveadm\\s+pw\\b${within}-p )${argument}`,
  `(slappasswd\\b${within}-s )${argument}`,
  `(htpasswd\\s+-(?=\\w*n)\\w*b\\w*\\s+\\S+\\s+)${argument}`,
  `(htpasswd\\s+-(?=\\w*b)\\w*n\\w*\\s+\\S+\\s+)${argument}`,
  `(xfreerdp\\w*\\b${within}/p:)([^\\s"']+)`,
  `(schtasks\\b${within}/rp )${argument}`,
  `(net\\s+use\\s+\\S+\\s+)([^\\s"'/*][^\\s"']*)(?=[^\\n]{0,99}/user:)`,
  `(mysqladmin\\b${within}password\\s+)${argument}`,
  `(mc\\s+alias\\s+set\\s+\\S+\\s+\\S+\\s+\\S+\\s+)${argument}`,
  `((?:nsupdate|dig|rndc)\\b${within}-y ?(?:hmac-\\w+:)?[\\w.-]+:)([^\\s"']+)`,
  `(snmp\\w+\\b${within}-[cAX] ?\\S+[^\\n|;&]{0,60}?\\s-X ?)${argument}`,
  `(qpdf\\b${within}--encrypt\\s+)([^\\s"']+\\s+[^\\s"']+)`,
  `((?:doctl|hcloud)\\b${within}-t )${argument}`,
  `((?:fly(?:ctl)?|wrangler|gh)\\s+secrets?\\s+(?:set|put|import)\\s+(?:\\S+\\s+){0,9}?\\w+=)([^\\s"']+|${quoted})`,
  `(kubectl\\b[^\\n|;&]{0,200}\\ssecret\\s${within}--from-literal=[^\\s=]+=)([^\\s"']+|${quoted})`,
  `(composer\\b${within}http-basic\\.\\S+\\s+\\S+\\s+)${argument}`,
  `(bundler?\\s+config\\s+(?:set\\s+)?(?:--\\w+\\s+)?\\S+\\s+[^\\s:"']+:)([^\\s"']+)`,
  `((?:sqlplus|sqlldr|imp|exp|impdp|expdp)\\s+(?:-\\S+\\s+)?[\\w$#]+/)([^\\s"'@]+)(?=@|\\s)`,
  `((?:(?:bin/[\\w.-]+|plonectl)\\s+adduser|addzope2?user)\\s+\\S+\\s+)${argument}`,
  `((?:zeopasswd|zpasswd\\S{0,4})\\b${within}-p )${argument}`,
  `(mk(?:wsgi|zope)instance\\b${within}(?:-u|--user)[= ]?[^\\s:]{1,80}:)([^\\s"']+)`,
  `(curl\\b${within}(?:-F|--form(?:-string)?|-d|--data\\S*)[= ]["']?(?:[^\\s"']*&)?pass=)([^\\s"'&]+)`,
].map(ofCommand)

/** Requires that the name of the command is a whole word. */
function ofCommand(source: string): SecretPattern {
  return always(source.replace('(', '((?<![\\w.-])'))
}

export const commandSecrets: readonly SecretPatternGroup[] = [
  { hint: /\s--?\w|pass:|htpasswd|wpa_|rabbitmqctl|chpasswd|vault/, patterns: optionsAndArguments },
  {
    hint: /echo\s|printf\s|<<<|plink|pscp|psftp|psexec|crackmapexec|nxc|netexec|evil-winrm|rdesktop|supervisorctl|ncftp|doveadm|slappasswd|htpasswd|xfreerdp|schtasks|\bnet\s|mysqladmin|\bmc\s|nsupdate|\bdig\s|rndc|snmp|qpdf|doctl|hcloud|\ssecrets?\s|composer|bundler?\s|sqlplus|sqlldr|\b(?:imp|exp)(?:dp)?\s|\sadduser|addzope|zeopasswd|zpasswd|mk(?:wsgi|zope)|\bcurl\s/,
    patterns: ofOtherCommands,
  },
]
