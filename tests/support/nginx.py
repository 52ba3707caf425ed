"""The shipped nginx configuration, filled in for one receiver and run by the real nginx, on loopback alone."""

from __future__ import annotations

import getpass
import http.client
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from .receiver import Answer, Receiver
from .system import nginx, openssl
from .waiting import free_port, wait_until

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
NAME = "push.example.org"
_AROUND = """
daemon off;
worker_processes 1;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    include {folder}/receiver.conf;
}}
"""


def make_certificate(folder: Path) -> None:
    """A key and a certificate that signs itself, for NAME and 127.0.0.1: ``key.pem`` and ``certificate.pem``."""
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run([openssl(), "req", "-x509", *kind, *subject, *files], check=True, capture_output=True)


class Nginx:
    """nginx in front of a receiver that names 127.0.0.1 as its proxy; a context manager.

    ``changes`` replaces texts of the configuration, each of which must be in it.
    """

    def __init__(self, receiver: Receiver, folder: Path, changes: Mapping[str, str] | None = None) -> None:
        self.port, self._folder, self._program = free_port(), folder, nginx()
        make_certificate(folder)
        text = CONFIGURATION.read_text(encoding="utf-8")
        filled_in = {
            "@NAME@": NAME,
            "@CERTIFICATE@": str(folder / "certificate.pem"),
            "@KEY@": str(folder / "key.pem"),
            "@INSIDE@": "127.0.0.1/32",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "    listen [::]:443 ssl;\n": "",
            "server 127.0.0.1:8000": f"server 127.0.0.1:{receiver.port}",
            "/var/log/nginx": str(folder),
        }
        for old, new in {**filled_in, **(changes or {})}.items():
            assert old in text, old
            text = text.replace(old, new)
        (folder / "receiver.conf").write_text(text, encoding="utf-8")
        around = _AROUND.format(folder=folder, user=getpass.getuser())
        (folder / "nginx.conf").write_text(around, encoding="utf-8")
        self.tls = ssl.create_default_context(cafile=str(folder / "certificate.pem"))

    def _command(self, *arguments: str) -> list[str]:
        return [str(self._program), "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), *arguments]

    def check(self) -> str:
        """What ``nginx -t`` says."""
        done = subprocess.run(self._command("-t"), capture_output=True, text=True, check=False)
        return f"{done.returncode}: {done.stderr}"

    def __enter__(self) -> Self:
        with (self._folder / "out.log").open("wb") as out:
            self._process = subprocess.Popen(self._command(), stdout=out, stderr=out)
        wait_until(self._answers, 20, "nginx answers")
        return self

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "out.log").read_text()
        try:
            return self.request("GET", "/healthz").status == 200
        except OSError:
            return False

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        source: str = "127.0.0.1",
        chunked: bool = False,
    ) -> Answer:
        """One request over TLS, from that loopback address."""
        connection = self.connect(source)
        try:
            sent: object = iter([body]) if chunked else body
            connection.request(method, path, sent, dict(headers or {}), encode_chunked=chunked)  # type: ignore[arg-type]
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def connect(self, source: str = "127.0.0.1") -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=60, context=self.tls, source_address=(source, 0)
        )

    def log(self) -> str:
        """What nginx has said."""
        files = [path for path in (self._folder / "error.log", self._folder / "receiver.log") if path.exists()]
        return "".join(path.read_text() for path in files)
