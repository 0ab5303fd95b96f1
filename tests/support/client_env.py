"""Client libraries in environments of their own, where their versions clash with ours; made once with uv and kept.

The pins are in tests/contract/clients/requirements-<name>.txt; other pins make another environment."""

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PINS = PROJECT_ROOT / "tests" / "contract" / "clients"
CACHE = PROJECT_ROOT / ".cache" / "venvs"
CLIENT_TIMEOUT_SECONDS = 300


def client_python(name: str) -> Path:
    """Return the interpreter of a client's environment, made now if there is none (then it needs the package index)."""
    return keep_environment(name, PINS / f"requirements-{name}.txt", make_environment) / "bin" / "python"


def keep_environment(name: str, pins: Path, make: Callable[[Path, Path], None]) -> Path:
    """Return the folder of a client's environment, made now if there is none."""
    digest = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            make(folder, pins)
            (folder / "complete").touch()
    return folder


def make_environment(folder: Path, requirements: Path, options: Sequence[str] = ()) -> None:
    """Install the pins into a fresh environment; `options` are those of `uv pip install`."""
    uv = [sys.executable, "-m", "uv"]
    python = str(folder / "bin" / "python")
    subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([*uv, "pip", "install", "-q", "--python", python, "-r", str(requirements), *options], check=True)


def install_packages(folder: Path, package: Path, options: Sequence[str] = ()) -> None:
    """Install the pins of a `package.json` into a fresh folder; `options` are npm's."""
    folder.mkdir(exist_ok=True)
    shutil.copy(package, folder / "package.json")
    subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit", *options], cwd=folder, check=True)


async def run_client(
    name: str, *arguments: str, env: dict[str, str], stdin: str = "", expect_success: bool = True
) -> str:
    """Run `python <arguments>` in a client's environment, with nothing else in its own environment than `env`.
    Returns what it prints."""
    command = [str(await asyncio.to_thread(client_python, name)), *arguments]
    return await run_command(name, command, PINS / "scripts", env, stdin, expect_success=expect_success)


async def run_node(name: str, script: str, *arguments: str, env: dict[str, str]) -> str:
    """Run a script of ours with Node.js among a client's packages, made now if there are none. Returns what it
    prints."""
    packages = PINS / f"package-{name}.json"
    folder = await asyncio.to_thread(keep_environment, name, packages, install_packages)
    shutil.copy(PINS / "scripts" / script, folder / script)
    return await run_command(name, ["node", script, *arguments], folder, env)


async def run_command(
    name: str,
    command: Sequence[str],
    folder: Path,
    env: dict[str, str],
    stdin: str = "",
    *,
    expect_success: bool = True,
    seconds: float = CLIENT_TIMEOUT_SECONDS,
) -> str:
    """Run a client in a folder, with nothing else in its own environment than `env`. Returns what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", "NO_PROXY": "*", **env},
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if expect_success and process.returncode != 0:
        raise AssertionError(f"{name} ended with {process.returncode}:\n{output.decode()}\n{errors.decode()}")
    return output.decode()
