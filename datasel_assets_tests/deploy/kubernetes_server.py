"""A stand-in for a Kubernetes API server: it takes jobs and runs their containers as processes of this machine.

It knows what dagster-k8s asks for: jobs and pods of one namespace. Manifests are checked strictly against the schemas
of Kubernetes. It has no GPU: a pod that asks for one stays pending, with the words of the real scheduler.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

NOT_FOUND = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
NO_ROOM = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
NAMESPACE = "datasel"
VERSION = "1.33"
PROGRAMS = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
KEPT = ("HOME", "LANG", "PYTHONPATH", "PYTHONPYCACHEPREFIX")
"""What a container gets of this environment: where its programs are, as an image would have it."""


class KubernetesServer:
    """Jobs by name, with the process of each; `evict` names jobs whose next pod is killed as soon as it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs: dict[str, dict[str, Any]] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        self.problems: list[str] = []
        self.evict = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, code: int, body: Any) -> None:
                text = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self) -> None:
                self.answer(*outer.get(self.path))

            def do_POST(self) -> None:
                self.answer(*outer.create(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

            def do_DELETE(self) -> None:
                outer.stop(urlsplit(self.path).path.split("/")[-1])
                self.answer(200, {"kind": "Status", "status": "Success"})

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def kubeconfig(self) -> Path:
        """Write the file by which a client finds this server."""
        address = f"http://127.0.0.1:{self._server.server_port}"
        context = {"name": "here", "context": {"cluster": "here", "user": "nobody", "namespace": NAMESPACE}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": address}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [context],
            "current-context": "here",
        }
        path = self.folder / "kubeconfig.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    def close(self) -> None:
        """Stop every process, and the server."""
        for name in list(self.processes):
            self.stop(name)
        self._server.shutdown()
        self._server.server_close()

    def create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take a job: check it, and start its container unless it asks for a GPU."""
        import kubernetes_validate

        job = {"apiVersion": "batch/v1", "kind": "Job", **{key: v for key, v in body.items() if v is not None}}
        try:
            kubernetes_validate.validate(job, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            self.problems.append(str(error))
        name = job["metadata"]["name"]
        job["metadata"] |= {"uid": str(uuid.uuid4()), "namespace": NAMESPACE, "creationTimestamp": _now()}
        job["status"] = {"active": 1}
        self.jobs[name] = job
        container = job["spec"]["template"]["spec"]["containers"][0]
        if "nvidia.com/gpu" not in (container.get("resources") or {}).get("limits", {}):
            self._start(name, container)
        return 201, job

    def _start(self, name: str, container: dict[str, Any]) -> None:
        given = {variable["name"]: variable.get("value", "") for variable in container.get("env") or []}
        environment = PROGRAMS | {key: os.environ[key] for key in KEPT if key in os.environ} | given
        command = [*(container.get("command") or []), *container["args"]]
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[name] = process
        if self.evict:
            self.evict -= 1
            os.killpg(process.pid, signal.SIGKILL)
        threading.Thread(target=self._wait, args=(name, process), daemon=True).start()

    def _wait(self, name: str, process: subprocess.Popen) -> None:
        failed = {"failed": 1, "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
        done = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
        self.jobs[name]["status"] = failed if process.wait() else done

    def stop(self, name: str) -> None:
        """Delete a job with its process."""
        process = self.processes.get(name)
        if process and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.jobs.pop(name, None)

    def get(self, address: str) -> tuple[int, dict[str, Any]]:
        """Answer what jobs or pods there are."""
        parts = urlsplit(address)
        words = parts.path.strip("/").split("/")
        asked = parse_qs(parts.query).get("labelSelector", [""])[0]
        if words[-1] == "pods":
            names = [asked.partition("=")[2]]
            return 200, {
                "kind": "PodList",
                "apiVersion": "v1",
                "items": [self._pod(n) for n in names if n in self.jobs],
            }
        if words[-1] == "jobs":
            return 200, {"kind": "JobList", "apiVersion": "batch/v1", "items": list(self.jobs.values())}
        name = words[-2] if words[-1] == "status" else words[-1]
        return (200, self.jobs[name]) if name in self.jobs else (404, NOT_FOUND)

    def _pod(self, name: str) -> dict[str, Any]:
        job, process = self.jobs[name], self.processes.get(name)
        phase = {None: "Running", 0: "Succeeded"}.get(process.poll(), "Failed") if process else "Pending"
        unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_ROOM}
        return {
            "metadata": {"name": f"{name}-pod", "creationTimestamp": job["metadata"]["creationTimestamp"]},
            "spec": {"containers": job["spec"]["template"]["spec"]["containers"]},
            "status": {"phase": phase, "conditions": [] if process else [unplaced]},
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
