"""Prepares an account in moto: an instance with two volumes, a user and a role. Arguments: the devices of the volumes."""
import json, sys
import boto3

given = dict(endpoint_url='http://127.0.0.1:5555', region_name='eu-central-1', aws_access_key_id='x', aws_secret_access_key='x')
ec2, iam, sts = (boto3.client(name, **given) for name in ('ec2', 'iam', 'sts'))
actions = ['CreateSnapshot', 'CreateTags', 'DeleteSnapshot', 'DescribeInstances', 'DescribeSnapshots']
policy = json.dumps(dict(Version='2012-10-17', Statement=[
    dict(Effect='Allow', Action=['ec2:' + action for action in actions], Resource='*')]))
image = ec2.describe_images()['Images'][0]['ImageId']
instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)['Instances'][0]
volumes = []
for device in sys.argv[1:]:
    volume = ec2.create_volume(Size=1, AvailabilityZone=instance['Placement']['AvailabilityZone'])['VolumeId']
    ec2.attach_volume(InstanceId=instance['InstanceId'], VolumeId=volume, Device=device)
    volumes.append(volume)
foreign = ec2.create_snapshot(VolumeId=volumes[0], Description='made by hand')['SnapshotId']
iam.create_user(UserName='snapshots')
iam.put_user_policy(UserName='snapshots', PolicyName='snapshots', PolicyDocument=policy)
key = iam.create_access_key(UserName='snapshots')['AccessKey']
trust = json.dumps(dict(Version='2012-10-17', Statement=[]))
role = iam.create_role(RoleName='snapshots', AssumeRolePolicyDocument=trust)['Role']
iam.put_role_policy(RoleName='snapshots', PolicyName='snapshots', PolicyDocument=policy)
assumed = sts.assume_role(RoleArn=role['Arn'], RoleSessionName=instance['InstanceId'])['Credentials']
with open('/tmp/instance', 'w') as stream:
    stream.write(instance['InstanceId'])
with open('/tmp/of-role.json', 'w') as stream:
    json.dump(dict(Code='Success', AccessKeyId=assumed['AccessKeyId'], SecretAccessKey=assumed['SecretAccessKey'],
                   Token=assumed['SessionToken']), stream)
with open('/tmp/account.json', 'w') as stream:
    json.dump(dict(volumes=volumes, foreign=foreign, key=key['AccessKeyId'], secret=key['SecretAccessKey']), stream)
