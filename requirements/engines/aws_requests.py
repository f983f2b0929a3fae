"""Write down how Amazon's own client asks for secrets, and signs that, as JSON: what ours is held against.

Nobody is asked: requests are caught before they are sent. Run it where `botocore` is installed:
`python requirements/engines/aws_requests.py tests/unit/clouds/aws_requests.json`.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore
import botocore.session
from botocore.awsrequest import AWSResponse

AT = dt.datetime(2026, 11, 22, 9, 5, 3, tzinfo=dt.UTC)
ASKED: list[dict[str, Any]] = []


class Raw:
    def stream(self, *_: Any, **__: Any) -> Any:
        yield b'{"SecretString": "x"}'


def caught(request: Any, **_: Any) -> AWSResponse:
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    headers = {name: value for name, value in headers.items() if name.startswith(("X-Amz", "Auth", "Content-T"))}
    body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
    ASKED.append({"method": request.method, "url": request.url, "body": body, "headers": headers})
    return AWSResponse(request.url, 200, {}, Raw())


def client(service: str, region: str, token: str | None) -> Any:
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfi", token)
    found = session.create_client(service, region_name=region)
    found.meta.events.register("before-send", caught)
    return found


def main(file: str) -> None:
    with patch("botocore.auth.get_current_datetime", lambda *_, **__: AT.replace(tzinfo=None)):
        client("secretsmanager", "eu-west-1", None).get_secret_value(SecretId="prod/db")
        client("secretsmanager", "us-gov-west-1", "FwoG//token==").get_secret_value(SecretId="a+b=c.d@e_f-g")
        client("secretsmanager", "cn-north-1", None).get_secret_value(
            SecretId="arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:prod/db-AbCdEf"
        )
    sts = client("sts", "eu-west-1", None)
    with suppress(Exception):  # the answer is none of its own
        sts.assume_role_with_web_identity(
            RoleArn="arn:aws:iam::123456789012:role/steps", RoleSessionName="pipeglot", WebIdentityToken="eyJ.x.y"
        )
    said = {"botocore": botocore.__version__, "at": AT.isoformat(), "requests": ASKED}
    Path(file).write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
