"""Write down what Google's own SDK asks of Vertex AI for a job and a schedule, as JSON: what ours is held against.

Nobody is asked: a server of ours answers. Run it where `google-cloud-aiplatform` and PyYAML are installed:
`python requirements/engines/vertex_request.py tests/unit/compilers/vertex_request.json`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud.aiplatform.utils import gcs_utils

PLACE = "projects/my-project/locations/europe-west4"
ACCOUNT = "runner@my-project.iam.gserviceaccount.com"
NETWORK = "projects/12345/global/networks/mine"
SPEC = {
    "pipelineInfo": {"name": "flights"},
    "schemaVersion": "2.1.0",
    "root": {
        "inputDefinitions": {
            "parameters": {
                "year": {"parameterType": "NUMBER_INTEGER"},
                "bar": {"parameterType": "NUMBER_DOUBLE"},
                "names": {"parameterType": "LIST"},
                "pipeglot": {"parameterType": "STRUCT", "defaultValue": {}},
            }
        },
        "dag": {"tasks": {"a": {"componentRef": {"name": "comp-a"}, "taskInfo": {"name": "a"}}}},
    },
    "components": {"comp-a": {"executorLabel": "exec-a"}},
    "deploymentSpec": {"executors": {"exec-a": {"container": {"image": "python", "command": ["true"]}}}},
}
VALUES = {"year": 2014, "bar": 0.5, "names": ["x", "y"], "pipeglot": {"cache": False}}
ASKED: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    def _do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        ASKED.append({"method": self.command, "path": self.path, "body": body})
        kind = "schedules/7" if "schedules" in self.path else "pipelineJobs/flights-1"
        data = json.dumps({**(body or {}), "name": f"{PLACE}/{kind}", "state": "ACTIVE"} if body else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815  # as the base class calls them

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    gcs_utils.create_gcs_bucket_for_pipeline_artifacts_if_it_does_not_exist = lambda **_: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    aiplatform.init(
        project="my-project",
        location="europe-west4",
        credentials=AnonymousCredentials(),
        api_endpoint=f"http://127.0.0.1:{server.server_port}",
        api_transport="rest",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flights.json"
        path.write_text(json.dumps(SPEC))
        job = aiplatform.PipelineJob(
            display_name="flights",
            template_path=str(path),
            job_id="flights-1",
            pipeline_root="gs://ml/root",
            parameter_values=VALUES,
            labels={"team": "ml"},
            failure_policy="slow",
        )
    job.submit(service_account=ACCOUNT, network=NETWORK)
    job.cancel()
    schedule = aiplatform.PipelineJobSchedule(pipeline_job=job, display_name="flights")
    schedule.create(
        cron="TZ=Europe/Paris 0 6 * * *",
        start_time="2026-12-01T00:00:00Z",
        end_time="2027-12-01T00:00:00Z",
        max_concurrent_run_count=10,
        service_account=ACCOUNT,
        network=NETWORK,
    )
    schedule.pause()
    schedule.resume(catch_up=False)
    server.shutdown()
    found = {"source": f"google-cloud-aiplatform {version('google-cloud-aiplatform')}", "asked": ASKED}
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")


main()
