/** The part of the program that asks EC2, with signed requests, and the metadata service of the instance. */
export const ec2Program = String.raw`# The metadata service of the instance, and EC2.

class Metadata:
    """The metadata service, version 2: each request needs a token."""

    def __init__(self, address):
        self.address = address.rstrip('/')
        # A proxy must not get these requests.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.token = self.request('/latest/api/token', 'PUT', {'X-aws-ec2-metadata-token-ttl-seconds': '300'})

    def request(self, path, method='GET', headers={}):
        request = urllib.request.Request(self.address + path, method=method, headers=headers)
        try:
            with self.opener.open(request, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Failure('the metadata service %s answered %s with status %d' % (self.address, path, error.code))
        except OSError as error:
            raise Failure('cannot read the metadata of the instance at %s: %s' % (self.address, reason(error)))

    def get(self, path):
        return self.request('/latest/meta-data/' + path, headers={'X-aws-ec2-metadata-token': self.token or ''})


def reason(error):
    return str(getattr(error, 'reason', None) or error)


class Ec2:
    def __init__(self, given, metadata):
        self.region = given['region'] or metadata.get('placement/region')
        if not self.region:
            raise Failure('the region of the instance is unknown: set opsworks.instance.region')
        self.token = None
        if given['aws_key']:
            self.key, self.secret = given['aws_key'], given['aws_secret']
        else:
            self.use_role_of(metadata)
        domain = 'amazonaws.com.cn' if self.region.startswith('cn-') else 'amazonaws.com'
        self.endpoint = (given['endpoint'] or 'https://ec2.%s.%s' % (self.region, domain)).rstrip('/')

    def use_role_of(self, metadata):
        base = 'iam/security-credentials/'
        name = (metadata.get(base) or '').split('\n')[0].strip()
        found = json.loads((metadata.get(base + name) if name else None) or '{}')
        if 'SecretAccessKey' not in found:
            raise Failure('the instance has no IAM role, and ebs_snapshots.aws_key is not set')
        self.key, self.secret, self.token = found['AccessKeyId'], found['SecretAccessKey'], found.get('Token')

    def mask(self, text):
        for secret in (self.secret, self.token, self.key):
            if secret:
                text = text.replace(secret, '***')
        return text

    def headers(self, body):
        """Signs a request: Signature Version 4 of AWS."""
        address = urllib.parse.urlsplit(self.endpoint)
        moment = now().strftime('%Y%m%dT%H%M%SZ')
        signed = {'content-type': 'application/x-www-form-urlencoded; charset=utf-8', 'host': address.netloc,
                  'x-amz-date': moment}
        if self.token:
            signed['x-amz-security-token'] = self.token
        names = ';'.join(sorted(signed))
        lines = ''.join('%s:%s\n' % (name, signed[name]) for name in sorted(signed))
        digest = hashlib.sha256(body).hexdigest()
        canonical = '\n'.join(['POST', address.path or '/', '', lines, names, digest])
        scope = '%s/%s/ec2/aws4_request' % (moment[:8], self.region)
        text = '\n'.join(['AWS4-HMAC-SHA256', moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ('AWS4' + self.secret).encode()
        for part in scope.split('/'):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        signed['authorization'] = 'AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s' % (
            self.key, scope, names, signature)
        return signed

    def call(self, action, timeout=60, **params):
        values = dict({name.replace('_', '.'): value for name, value in params.items()},
                      Action=action, Version='2016-11-15')
        body = urllib.parse.urlencode(values).encode()
        request = urllib.request.Request(self.endpoint + '/', data=body, headers=self.headers(body))
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            code, message = ec2_error(error)
            passing = error.code >= 500 or code in ('RequestLimitExceeded', 'Throttling', 'ThrottlingException')
            raise Refusal(self.mask('%s: %s' % (action, message)), code, passing)
        except OSError as error:
            raise Failure('%s: cannot connect to %s: %s' % (action, self.endpoint, reason(error)))
        try:
            return without_namespaces(text)
        except ElementTree.ParseError as error:
            raise Failure('%s: %s sent no XML: %s' % (action, self.endpoint, error))

    def retry(self, action, **params):
        """Calls an action that can be repeated."""
        for pause in PAUSES:
            try:
                return self.call(action, **params)
            except Refusal as error:
                if not error.passing:
                    raise
            time.sleep(pause)
        return self.call(action, **params)

    def list(self, action, path, **params):
        found, token = [], {}
        while True:
            answer = self.retry(action, **params, **token)
            found += answer.findall(path)
            following = answer.findtext('nextToken')
            if not following:
                return found
            token = dict(NextToken=following)


def ec2_error(error):
    """Returns the code of an error, and its text."""
    try:
        found = without_namespaces(error.read()).find('.//Error')
        return found.findtext('Code'), '%s: %s' % (found.findtext('Code'), found.findtext('Message'))
    except (ElementTree.ParseError, AttributeError, OSError):
        return None, 'HTTP status %d' % error.code


def without_namespaces(text):
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.tag = element.tag.rpartition('}')[2]
    return root


`
