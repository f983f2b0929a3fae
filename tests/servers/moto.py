"""AWS, as far as Metaflow's deployers ask it: moto, beside the environment of the engine."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from pathlib import Path

from tests.servers.process import Server, free_ports
from tests.servers.sandbox import ROOT

PACKAGES = ROOT / ".cache/deploying"
"""`make test` puts them there."""

_SET_UP = """\
import boto3

boto3.client("s3").create_bucket(Bucket="metaflow")
iam = boto3.client("iam")
role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
profile = iam.create_instance_profile(InstanceProfileName="batch")["InstanceProfile"]["Arn"]
ec2 = boto3.client("ec2")
subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]]
groups = [one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]]
batch = boto3.client("batch")
asked = {"type": "EC2", "minvCpus": 0, "maxvCpus": 8, "instanceTypes": ["m5.large"], "instanceRole": profile}
made = batch.create_compute_environment(
    computeEnvironmentName="somewhere",
    type="MANAGED",
    serviceRole=role,
    computeResources={**asked, "subnets": subnets, "securityGroupIds": groups[:1]},
)
order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
batch.create_job_queue(jobQueueName="jobs", state="ENABLED", priority=1, computeEnvironmentOrder=order)
"""


class Moto(Server):
    """One with a bucket and a queue of jobs. python: that of the engine's environment."""

    def __init__(self, python: str, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        words = [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        super().__init__(words, folder, {"PYTHONPATH": str(PACKAGES)})
        self.wait(self._answers)
        try:
            subprocess.run([python, "-c", _SET_UP], env={**os.environ, **self.environment}, check=True)
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What a deployer is told of it, and of what it does not look at."""
        role = "arn:aws:iam::123456789012:role/metaflow"
        return {
            "PYTHONPATH": str(PACKAGES),
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "METAFLOW_S3_ENDPOINT_URL": self.url,
            "METAFLOW_DATASTORE_SYSROOT_S3": "s3://metaflow/root",
            "METAFLOW_USER": "somebody",
            "METAFLOW_BATCH_JOB_QUEUE": "jobs",
            "METAFLOW_ECS_S3_ACCESS_IAM_ROLE": role,
            "METAFLOW_SFN_IAM_ROLE": role,
            "METAFLOW_SFN_DYNAMO_DB_TABLE": "table",
        }

    def _answers(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/moto-api/data.json", timeout=5) as answer:
            return bool(answer.status == 200)
