"""Credentials that expire while a training runs, from everywhere they come from."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import go_programs
import pytest
import s3_server
from s3_faults import Fault, Refuse, Request
from s3_proxy import S3Proxy
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

from perdure.store import Expired, Store, Unavailable, Unusable, open_store, until_deadline

OpenS3 = Callable[..., Store]
NONE = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


CALLS: list[Callable[[Store], object]] = [
    lambda store: store.put("a", b"content"),
    lambda store: store.create("b", b"content"),
    lambda store: store.get("a"),
    lambda store: store.list(""),
    lambda store: store.delete("a"),
]


def use(store: Store) -> None:
    """Every call once; nothing is left."""
    store.put("a", b"content")
    store.create("b", b"content")
    assert store.get("a") == b"content"
    assert list(store.list("")) == ["a", "b"]
    store.delete("a")
    store.delete("b")


class Accounts:
    """A versitygw with accounts that can be taken away, and a program that says which one to use."""

    def __init__(self, server: S3Server, folder: Path) -> None:
        self.server = server
        self.given = folder / "given.json"
        self.asked = folder / "asked"
        self.config = folder / "config"
        script = folder / "credentials.py"
        script.write_text(
            f"import pathlib; open({str(self.asked)!r}, 'a').write('.')\n"
            f"print(pathlib.Path({str(self.given)!r}).read_text())\n"
        )
        self.config.write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")

    def make(self, access: str) -> None:
        self._admin(
            "create-user", "--access", access, "--secret", f"{access}-secret", "--role", "admin"
        )

    def remove(self, access: str) -> None:
        self._admin("delete-user", "--access", access)

    def give(self, access: str, expires_in: float) -> None:
        """What the program prints from now on."""
        expiration = datetime.now(UTC) + timedelta(seconds=expires_in)
        self.given.write_text(
            json.dumps({
                "Version": 1, "AccessKeyId": access, "SecretAccessKey": f"{access}-secret",
                "Expiration": expiration.isoformat(),
            })
        )  # fmt: skip

    def _admin(self, *arguments: str) -> None:
        subprocess.run(
            [
                str(go_programs.program("versitygw")), "admin", "--access", ACCESS_KEY,
                "--secret", SECRET_KEY, "--endpoint-url", self.server.url, *arguments,
            ],
            check=True, capture_output=True,
        )  # fmt: skip


@pytest.fixture
def accounts(versitygw: S3Server, tmp_path: Path) -> Iterator[Accounts]:
    (tmp_path / "iam").mkdir()
    server = s3_server.versitygw(
        tmp_path, environment={"VGW_IAM_DIR": str(tmp_path / "iam")}
    ).start()
    yield Accounts(server, tmp_path)
    server.stop()


def test_credentials_of_a_program_are_replaced_before_they_expire(
    accounts: Accounts, open_s3: OpenS3
) -> None:
    accounts.make("first")
    accounts.make("second")
    accounts.give("first", expires_in=5)
    store = open_s3(
        accounts.server.make_bucket(),
        accounts.server.url,
        AWS_CONFIG_FILE=str(accounts.config),
        **NONE,
    )
    use(store)
    accounts.give("second", expires_in=3600)
    accounts.remove("first")  # as the server does when they expire
    use(store)
    asked = accounts.asked.read_text()
    use(store)
    assert accounts.asked.read_text() == asked, "those that last are not asked for again"


def test_credentials_in_a_file_are_read_again_once_they_have_expired(
    versitygw: S3Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """The server, as far as the client can tell, has let the old ones expire."""
    file = tmp_path / "credentials"

    def write(access: str) -> None:
        file.write_text(
            f"[default]\naws_access_key_id={access}\naws_secret_access_key={SECRET_KEY}\n"
        )

    def renew(_error: Unavailable, _seconds: float) -> None:
        write(ACCESS_KEY)

    def refuse_the_old(request: Request) -> Fault | None:
        is_old = "Credential=old/" in request.headers.get("authorization", "")
        return Refuse(400, "ExpiredToken", "The provided token has expired.") if is_old else None

    with S3Proxy(versitygw.port, refuse_the_old) as proxy:
        store = open_s3(
            versitygw.make_bucket(),
            proxy.url,
            AWS_SHARED_CREDENTIALS_FILE=str(file),
            **NONE,
        )
        for call in CALLS:
            write("old")
            store = open_store(store.url)
            with pytest.raises(Expired, match=r"ExpiredToken.*Renew the credentials"):
                call(store)
            write("old")
            call(until_deadline(store, 30, on_retry=renew))


class Metadata(BaseHTTPRequestHandler):
    """A container's credentials server; its token expires at once, so that each call asks anew."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        body = json.dumps({
            "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "Token": "",
            "Expiration": (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


def test_credentials_of_a_container_are_asked_for_again(
    versitygw: S3Server, open_s3: OpenS3
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as metadata:
        threading.Thread(target=metadata.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{metadata.server_port}/"
        store = open_s3(
            versitygw.make_bucket(),
            versitygw.url,
            AWS_CONTAINER_CREDENTIALS_FULL_URI=address,
            **NONE,
        )
        use(store)
        once = Metadata.asked
        use(store)
        assert Metadata.asked > once > 0
        metadata.shutdown()
    with pytest.raises(Unavailable, match="credentials"):  # they may come back
        store.get("a")


def test_a_service_account_takes_on_its_role(
    moto_server: S3Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-cluster")
    store = open_s3(
        moto_server.make_bucket(),
        moto_server.url,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
        AWS_ROLE_ARN="arn:aws:iam::123456789012:role/trainer",
        **NONE,
    )
    with S3Proxy(moto_server.port) as proxy:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", proxy.url)
            use(store)
        signed = [r.headers for r in proxy.requests if r.bucket.startswith("b-")]
        assert all("x-amz-security-token" in headers for headers in signed)
        assert {r.kind for r in proxy.requests} >= {"put", "create", "get", "list", "delete"}


def test_credentials_that_are_wrong_end_at_once(accounts: Accounts, open_s3: OpenS3) -> None:
    accounts.give("nobody", expires_in=3600)
    store = open_s3(
        accounts.server.make_bucket(),
        accounts.server.url,
        AWS_CONFIG_FILE=str(accounts.config),
        **NONE,
    )
    with pytest.raises(Unusable, match="InvalidAccessKeyId"):
        store.put("a", b"")
