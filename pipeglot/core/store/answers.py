"""What a failed request to a bucket means: whether to ask again, and what a user reads of it. Never a credential.

The client's exceptions are few; status, code and reason stand in their texts only, and so does the address, with a
signature in it where Azure's tokens are used. So nothing of the text is shown but what was picked out of it here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeglot.core.errors import StoreError

_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_BUSY = frozenset(
    {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "ServerBusy", "OperationTimedOut"}
)
"""Codes that mean the same whatever the status: S3 says them in answers of 200 (to a deletion) and 400, too."""

_BROKEN = frozenset({"Connect", "Request", "Timeout", "Interrupted"})  # of a connection, as the client names them
_STATUS = re.compile(r"status(?: code)?:? (\d{3})")
_KIND = re.compile(r"kind: ([A-Z][a-z]+)")
_CODE = re.compile(r"<Code>([A-Za-z0-9_.-]{1,80})</Code>|\(code: ([A-Za-z0-9_.-]{1,80})\)")
_MESSAGE = re.compile(r"<Message>([^<\n\\]{1,300})")
_HOST = re.compile(r"https?://([^/\s?\"]+)")
_QUERY = re.compile(r"\?[^\s\"'`<>]*")
_METADATA = re.compile(r"169\.254\.169\.254|169\.254\.170\.2|metadata\.google\.internal|fd00:ec2::254")
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*([A-Z][A-Za-z]{1,40})")
_NO_TLS = "InvalidContentType"
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})
_NO_ACCESS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "RequestExpired",
        "AuthenticationFailed",
        "AuthorizationFailure",
    }
)
_FORBIDDEN = frozenset({"AccessDenied", "AuthorizationPermissionMismatch"})
_REGION = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"})
_RIGHT_REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>|expecting '([a-z0-9-]{1,40})'")
_SKEWED = re.compile(r"RequestTimeTooSkewed|Request date header too old|Check your iat and exp values")
_ROLE = re.compile(r"https://sts[.-]\S+Action=AssumeRole|AWS_WEB_IDENTITY_TOKEN_FILE")

_WORDS = {
    "S3": ("AWS_ACCESS_KEY_ID", "`aws configure` or `aws sso login`", "s3:GetObject, s3:PutObject, s3:DeleteObject"),
    "GCS": ("GOOGLE_APPLICATION_CREDENTIALS", "`gcloud auth application-default login`", "roles/storage.objectUser"),
    "Azure": ("AZURE_STORAGE_KEY", "`az login`", "Storage Blob Data Contributor"),
}


class Forbidden(StoreError):
    """The credentials are known, and may not do it."""


class Answer(NamedTuple):
    """What the text of an exception tells. `kind`: of a broken connection; `code` and `reason`: the server's words."""

    text: str
    status: int
    kind: str
    code: str
    reason: str

    @property
    def again(self) -> bool:
        """Whether another try may go better: the server is busy or failed, or the connection broke."""
        return self.later and not self.no_credentials

    @property
    def why(self) -> str:
        """What went wrong, in a few words."""
        return _reason(self)

    @property
    def later(self) -> bool:
        """The same, of one whose like had an answer before: even who gives credentials may be busy for a moment."""
        if not self.status and self.kind in _BROKEN:
            return not _CERTIFICATE.search(self.text) and _NO_TLS not in self.text
        return self.status in _AGAIN or self.code in _BUSY

    @property
    def unclear(self) -> bool:
        """Whether the request may have been carried out, though nothing came back that says so."""
        return self.again and self.status != 429 and not (self.kind == "Connect" and not self.status)

    @property
    def forbidden(self) -> bool:
        return self.status == 403 or self.code in _FORBIDDEN

    @property
    def conflict(self) -> bool:
        """S3 says so to the second of two writers while the first is at it: who has won is not known yet."""
        return self.status == 409 and self.code in ("ConditionalRequestConflict", "OperationAborted")

    @property
    def no_bucket(self) -> bool:
        return self.code in _NO_BUCKET or (self.status == 404 and "bucket does not exist" in self.text)

    @property
    def no_credentials(self) -> bool:
        """The client found none, and asked the machine's metadata service for them, which has none either."""
        return bool(_METADATA.search(self.text)) or "no credentials" in self.text.lower()


def read_answer(error: Exception) -> Answer:
    """Of an exception of the client's."""
    text = str(error)
    status, kind = _STATUS.search(text), _KIND.search(text)
    code, message = _CODE.search(text), _MESSAGE.search(text)
    return Answer(
        text,
        int(status[1]) if status else 0,
        kind[1] if kind else "",
        code[1] or code[2] if code else "",
        message[1].strip() if message else "",
    )


def bucket_error(answer: Answer, doing: str, what: str, bucket: str, cloud: str) -> StoreError:
    """`doing` completes "cannot …", such as "write"; `what` is the key's URI, `bucket` the bucket's."""
    variable, login, role = _WORDS[cloud]
    reason, hint = _reason(answer), ""
    if answer.no_bucket:
        kind = "container" if cloud == "Azure" else "bucket"
        return StoreError(f"cannot {doing} `{what}`: there is no {kind} `{bucket}`", hint=_bucket_hint(cloud, bucket))
    if answer.no_credentials:
        reason = f"no credentials for {cloud} were found"
        hint = f"log in ({login}), or set `{variable}`; none belong into `pipeglot.yaml`"
    elif "BareRedirect" in answer.text or answer.code in _REGION:
        reason = answer.reason or "the bucket is in another region"
        hint = _region_hint(answer, bucket)
    elif _SKEWED.search(answer.text):
        hint = "the clock of this machine is wrong, and requests are signed with its time: set it, such as by NTP"
    elif _ROLE.search(answer.text):
        hint = "that is the answer to the web identity of this pod: look at its role, and at whom the role trusts"
    elif answer.status == 401 or answer.code in _NO_ACCESS:
        hint = f"the credentials are wrong or have expired: log in again ({login}), or look at `{variable}`"
    elif answer.status == 501:
        hint = "stores need writes that create only (`If-None-Match: *`): take another server, or a newer version of it"
    elif answer.forbidden:
        hint = _forbidden(doing, role, cloud)
    elif _CERTIFICATE.search(answer.text):
        hint = "if it is signed by an authority of your own, name that one's certificate: `export SSL_CERT_FILE=…`"
    elif _NO_TLS in answer.text:
        hint = "is the endpoint `http://…`, and not `https://…`?"
    elif answer.kind == "Connect" and not answer.status:
        hint = "is the network up, and is the endpoint right? A proxy is read from `HTTPS_PROXY`"
    elif answer.again:
        hint = "it was tried again for a while; finished steps are kept: run it again later"
    kind_of = Forbidden if answer.forbidden else StoreError
    return kind_of(f"cannot {doing} `{what}`: {reason}", hint=hint)


def _reason(answer: Answer) -> str:
    words = ": ".join(word for word in (answer.code, answer.reason) if word)
    if answer.status > 299:
        return f"the server answered {answer.status}{f' ({words})' if words else ''}"
    if answer.code:
        return f"the server refused it ({words})"
    host = _HOST.search(answer.text)
    where = f"`{host[1].rpartition('@')[2]}`" if host else "the server"
    match answer.kind:
        case "Connect" if "dns error" in answer.text:
            return f"the name {where} is not known here"
        case "Connect" if found := _CERTIFICATE.search(answer.text):
            return f"the certificate of {where} is refused ({found[1]})"
        case "Connect" if _NO_TLS in answer.text:
            return f"{where} does not speak TLS"
        case "Connect":
            return f"{where} cannot be reached"
        case "Timeout":
            return f"{where} does not answer"
        case "Request" | "Interrupted":
            return f"the connection to {where} broke"
    if "BadScheme" in answer.text:
        return f"{where} is to be asked without encryption"
    first = answer.text.strip().partition("\n")[0]
    return _QUERY.sub("", first)[:300] or "the client does not say why"


def _region_hint(answer: Answer, bucket: str) -> str:
    found = _RIGHT_REGION.search(answer.text)
    if found:
        return f"set its region: `export AWS_REGION={found[1] or found[2]}`"
    return f"set its region: `export AWS_REGION=…`; `aws s3api get-bucket-location --bucket {bucket[5:]}` tells it"


def _bucket_hint(cloud: str, bucket: str) -> str:
    name = bucket[5:]
    make = {
        "S3": f"aws s3 mb s3://{name}",
        "GCS": f"gcloud storage buckets create gs://{name}",
        "Azure": f"az storage container create --name {name}",
    }
    return f"is its name right, and its account? `{make[cloud]}` makes it"


def _forbidden(doing: str, role: str, cloud: str) -> str:
    if doing == "list":
        right = {"S3": "s3:ListBucket", "GCS": "storage.objects.list", "Azure": role}[cloud]
        return f"these credentials may not list the bucket: allow `{right}`. Running steps needs no list, commands do"
    if cloud == "S3":
        return (
            f"these credentials may not do that: allow `{role}`; without `s3:ListBucket` a missing key is refused too"
        )
    return f"these credentials may not do that: allow `{role}`"
